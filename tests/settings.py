"""Settings of the tests: the application's, with a folder, a secret and services of their own.

What the application reads from the environment is set there, so that processes which tests start
get it too; they use config.settings.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from jaxtyping import install_import_hook
from redis import Redis

# The shapes and types in the signatures of the learning code are checked at every call. Here and
# not by pytest's option, which comes after Django has imported the applications.
install_import_hook("rewardmodel.learning", "tests.checked")

HELD = "laoshi:tests"
HELD_SECONDS = 3600


def own_redis_database(url: str) -> str:
    """`url` with the number of an empty database, held against other runs and emptied at exit."""
    for number in range(15, 0, -1):
        candidate = urlsplit(url)._replace(path=f"/{number}").geturl()
        client = Redis.from_url(candidate)
        if client.dbsize() == 0 and client.set(HELD, os.getpid(), nx=True, ex=HELD_SECONDS):
            atexit.register(client.flushdb)
            return candidate
    raise RuntimeError(f"The tests need an empty Redis database, and 1 to 15 at {url} are in use.")


folder = tempfile.mkdtemp(prefix="laoshi-tests-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
for name in (
    *("ALLOWED_HOSTS", "DEBUG", "POLICY_MODEL", "POLICY_MODELS", "PORT", "ROLLOUT_SERVER"),
    *("JUDGE_API_KEY", "JUDGE_MODEL", "JUDGE_SERVER", "SITE_URL", "TIME_ZONE"),
):
    os.environ.pop(name, None)
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "HF_HUB_OFFLINE": "1",
    "LOG_LEVEL": "WARNING",
    # Tiny tensors gain nothing from a second thread, and lose much on a busy machine.
    "OMP_NUM_THREADS": "1",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "VAR_FOLDER": folder,
}
if os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = own_redis_database(os.environ["REDIS_URL"])

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

# A file, so that other processes can open it.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(Path(folder) / "tests.sqlite3")}
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
STATIC_ROOT.mkdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
