"""Every setting of Laoshi. What differs between installations is a variable, read once.

| variable | meaning | default |
|---|---|---|
| PORT | of the web server under `make up` | 8000 |
| SITE_URL | public address; with https cookies are secure | http://localhost:PORT |
| SECRET_KEY | signs sessions | var/secret_key, written by `make up` |
| DEBUG | Django's debug pages | off |
| DATABASE_URL | postgres://user:password@host:5432/name | SQLite in var/ |
| REDIS_URL | redis://host:6379/0 | a private Redis on a socket |
| POLICY_MODEL | path or hub name of the base policy | SmolLM2-135M-Instruct in var/models/ |
| POLICY_MODELS | base models that projects may begin with instead, see docs/security.md | none |
| ROLLOUT_SERVER | samples for policy updates of POLICY_MODEL, see docs/learning.md | the worker |
| JUDGE_SERVER | OpenAI-compatible, judges comparisons, see docs/comparisons.md | none |
| JUDGE_MODEL | the model to ask it for | none |
| JUDGE_API_KEY | what it wants to see, never shown | none |
| VAR_FOLDER | everything that Laoshi writes | var/ |
| ACCELERATE_CONFIG | accelerate's own file, for several GPUs of this machine | one process |
| TIME_ZONE | of the schedules, and of pages until a browser says its own | UTC |
| HSTS_SUBDOMAINS | with https: every site below SITE_URL's host is https, too | off |
| HSTS_PRELOAD | ... and browsers may come with that built in | off |
| ALLOWED_HOSTS | host names that are answered | SITE_URL's, and this machine's |
| LOG_LEVEL | least weight of what is logged | INFO |
| WEBHOOK_NETWORKS | private networks that webhooks may be sent to, such as 10.0.0.0/8 | none |
| TRUSTED_PROXIES | networks whose X-Forwarded-For is believed | this machine's, with https |
"""

import hashlib
import tempfile
from pathlib import Path

from csp.constants import NONE, SELF

from config import env, limits

BASE_FOLDER = env.BASE_FOLDER
VAR_FOLDER = env.var_folder()
DEFAULT_POLICY_FOLDER = VAR_FOLDER / "models" / "smollm2-135m-instruct"
POLICY_MODEL = env.text("POLICY_MODEL", str(DEFAULT_POLICY_FOLDER))
POLICY_MODELS = env.names("POLICY_MODELS", [])
ROLLOUT_SERVER = env.address("ROLLOUT_SERVER")
JUDGE_SERVER = env.address("JUDGE_SERVER")
JUDGE_MODEL = env.text("JUDGE_MODEL")
JUDGE_API_KEY = env.key("JUDGE_API_KEY")
ACCELERATE_CONFIG = env.text("ACCELERATE_CONFIG")

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY", VAR_FOLDER / "secret_key")
PORT = env.port("PORT", 8000)
SITE_URL, SITE_HOST, SITE_IS_HTTPS = env.site_url("SITE_URL", f"http://localhost:{PORT}")
# What ends TLS is a proxy on this machine, where alone the web server listens.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", ["127.0.0.0/8", "::1"] if SITE_IS_HTTPS else [])
WEBHOOK_NETWORKS = env.networks("WEBHOOK_NETWORKS", [])
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", [SITE_HOST, "localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "annotation",
    "rewardmodel",
    "django_celery_beat",
    "django_htmx",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "annotation.views.viewer_zone.ViewerZone",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Who is not logged in is led to the login before anything of a form is read.
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "annotation.api.access.TokenMiddleware",
    "annotation.middleware.NoStoreMiddleware",
    "annotation.views.login_required.LoginRequired",
    "annotation.middleware.OneTimePasswordMiddleware",
    "annotation.middleware.BodyLimitMiddleware",
    "annotation.api.idempotency.IdempotencyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "rewardmodel.views.archived.ArchivedMiddleware",
]

# Each page's limit is checked before.
DATA_UPLOAD_MAX_MEMORY_SIZE = limits.UPLOAD

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_FOLDER / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.database("DATABASE_URL", VAR_FOLDER / "laoshi.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == env.SQLITE:
    # Immediate transactions take the write lock at the start, so that claims never deadlock. Each
    # commit is on the disk before it is acknowledged: a power cut takes none back.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }

# A socket's path is limited to about 100 bytes: a deeply nested folder gets one elsewhere.
REDIS_SOCKET = VAR_FOLDER / "redis.sock"
if len(bytes(REDIS_SOCKET)) > 100:
    _digest = hashlib.sha256(bytes(VAR_FOLDER)).hexdigest()[:16]
    REDIS_SOCKET = Path(tempfile.gettempdir()) / f"laoshi-{_digest}" / "redis.sock"
REDIS_URL, CELERY_BROKER_URL = env.redis_url("REDIS_URL", REDIS_SOCKET)
REDIS_IS_EMBEDDED = not env.text("REDIS_URL")
_REDIS_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": REDIS_URL,
    "KEY_PREFIX": "laoshi",
    "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
}
CACHES = {
    "default": _REDIS_CACHE,
    "sessions": {**_REDIS_CACHE, "BACKEND": "config.cache.SessionCache"},
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}

# The state of every job is a database row and beat picks up what a dead worker left behind,
# so messages are acknowledged early and results are not kept.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "annotation.tasks.generate_answers": {"queue": "accelerator"},
    "annotation.tasks.look_into_policies": {"queue": "accelerator"},
    "rewardmodel.tasks.follow_rankings": {"queue": "accelerator"},
    "rewardmodel.tasks.merge_models": {"queue": "accelerator"},
    "rewardmodel.tasks.score_texts": {"queue": "accelerator"},
    "rewardmodel.tasks.supervise_run": {"queue": "accelerator"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3  # seconds for a run to be handed back (config.processes)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# A page does not wait for Redis: what a message asks for, beat asks for again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0}
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
CELERY_TIMEZONE = TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
AUTH_USER_MODEL = "annotation.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_FOLDER / "locale"]
USE_I18N = True
YEAR_IN_SECONDS = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_AGE = YEAR_IN_SECONDS
LANGUAGE_COOKIE_SAMESITE = "Lax"

STATIC_URL = "static/"
STATIC_ROOT = VAR_FOLDER / "static"
STATICFILES_DIRS = [BASE_FOLDER / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

CSRF_TRUSTED_ORIGINS = [SITE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SITE_IS_HTTPS
SECURE_SSL_REDIRECT = SITE_IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SITE_IS_HTTPS else None
SECURE_HSTS_SECONDS = YEAR_IN_SECONDS if SITE_IS_HTTPS else 0
# Both bind other sites than this one, and are hard to take back: the operator asks for them.
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD")
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_SUBDOMAINS") or SECURE_HSTS_PRELOAD
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
}
