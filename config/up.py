"""`make up`: check, prepare, start and watch every process of Laoshi; `python -m config.up`.

The commands of the processes stand in the Procfile. This process imports no torch and loads no
Django application: what needs them runs as a child of its own.
"""

import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import embedded_redis, env
from config.checks import (
    make_secret_key,
    only_one,
    require_free_port,
    require_free_space,
    require_redis,
    uses_default_model,
)
from config.install import Step, Stop, interrupt_on_terminate, run
from config.processes import Process, restart_the_dead, stop

WEB_START_SECONDS = 60
DEATHS_BEFORE_GIVING_UP = 3  # of a web server that never answered
POLL_SECONDS = 0.2
MODEL_MODULE = "annotation.lm.default_model"


def start_redis(redis: Process) -> None:
    with Step("Redis") as step:
        embedded_redis.start(redis, settings.REDIS_SOCKET)
        step.detail = "a private one, started"


def prepare_model() -> None:
    """See that the policy's files are on this machine: made, found or fetched from the hub."""
    task = "make" if uses_default_model() else "find"
    with Step("Model") as step:
        if uses_default_model() and settings.DEFAULT_POLICY_FOLDER.exists():
            step.detail = "ready"
            return
        command = [sys.executable, "-m", MODEL_MODULE, task, settings.POLICY_MODEL]
        failure = run(step, command, log_file("model"))
        if failure:
            raise Stop(failure)
        step.detail = "ready"


def log_file(name: str) -> Path:
    folder: Path = settings.VAR_FOLDER / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"


def processes_of(
    procfile: Path, environment: dict[str, str], lock: int | None = None
) -> list[Process]:
    """The processes of a Procfile, `name: command`, with $PORT replaced; no shell is involved."""
    processes = []
    for line in procfile.read_text().splitlines():
        name, _, command = line.partition(":")
        words = [word.replace("$PORT", environment["PORT"]) for word in shlex.split(command)]
        processes.append(Process(name, words, log_file(name), environment, lock))
    return processes


def child_environment() -> dict[str, str]:
    """SIGTERM stops a Celery worker at once instead of after its task: all state is stored.

    OpenMP's threads wait instead of spinning, so that the model leaves time to the web server.
    """
    binaries = str(Path(sys.executable).parent)
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PATH": os.pathsep.join([binaries, os.environ.get("PATH", os.defpath)]),
        "PORT": str(settings.PORT),
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONUNBUFFERED": "1",
    }


def start(processes: list[Process], redis: list[Process]) -> None:
    """The web server alone until it answers: beside the workers' imports it takes twice as long."""
    web, *others = processes
    with Step("Starting") as step:
        web.start()
        deadline = time.monotonic() + WEB_START_SECONDS
        while not web_answers():
            restart_the_dead([web, *redis])
            if web.deaths >= DEATHS_BEFORE_GIVING_UP:
                raise Stop(
                    f"{web.name} {web.how_it_ended()}, {web.deaths} times in a row. Its log, "
                    f"{web.log}, ends with:\n{web.last_words()}"
                )
            if time.monotonic() > deadline:
                raise Stop(f"The web server does not answer: see {log_file('web')}.")
            time.sleep(POLL_SECONDS)
        for process in others:
            process.start()
        step.detail = ", ".join(process.name for process in [*processes, *redis])


def web_answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": settings.SITE_HOST})
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except OSError:
        return False
    finally:
        connection.close()


def print_welcome() -> None:
    accounts = settings.VAR_FOLDER / "demo-accounts.txt"
    print(f"\nLaoshi is ready: {settings.SITE_URL}\n")
    if accounts.exists():
        print("".join(f"  {line}\n" for line in accounts.read_text().splitlines()))
    print(f"Logs are in {settings.VAR_FOLDER / 'logs'}. Ctrl-C stops everything.", flush=True)


def prepare(lock: int) -> None:
    """Database, demo project, translations and static files, in a process of its own."""
    log = log_file("prepare")
    with log.open("w") as stderr:
        command = [sys.executable, "-m", "config.prepare"]
        ended = subprocess.run(
            command, cwd=env.BASE_FOLDER, stderr=stderr, pass_fds=[lock], check=False
        )
    if ended.returncode:
        said = log.read_text().strip()
        raise Stop(said or f"The preparation ended with {ended.returncode}.")


def serve(lock: int) -> None:
    """Prepare everything, then run until a signal ends it."""
    require_free_port(settings.PORT)
    require_free_space()
    environment = child_environment()
    processes = processes_of(env.BASE_FOLDER / "Procfile", environment, lock)
    redis_command = embedded_redis.command(settings.REDIS_SOCKET)
    redis = Process("redis", redis_command, log_file("redis"), environment, lock)
    try:
        if settings.REDIS_IS_EMBEDDED:
            start_redis(redis)
        else:
            require_redis()
        prepare(lock)
        prepare_model()
        own_redis = [redis] if settings.REDIS_IS_EMBEDDED else []
        start(processes, own_redis)
        print_welcome()
        with suppress(KeyboardInterrupt):
            while True:
                restart_the_dead([*processes, *own_redis])
                time.sleep(POLL_SECONDS)
    finally:
        stop_all(processes, redis)


def stop_all(processes: list[Process], redis: Process) -> None:
    """Deaf to more signals; Redis goes last, so that nothing misses it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if any(process.popen for process in processes):
        with Step("Stopping") as step:
            stop(processes)
            step.detail = "done"
    stop([redis])


def main() -> int:
    interrupt_on_terminate()
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        folder = env.var_folder()
        with only_one(folder) as lock:
            make_secret_key(folder / "secret_key")
            serve(lock)
    except (Stop, ImproperlyConfigured) as sentence:
        print(f"\n{sentence}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
