"""The servers the other tests rely on do what those tests rely on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import boto3
import psycopg
import redis

from tests.servers.process import listens
from tests.servers.programs import ALL
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


def test_each_test_gets_a_postgresql_database_of_its_own_that_is_durable(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        connection.execute("CREATE TABLE here (id int)")


def test_a_postgresql_database_starts_empty(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_postgresql_keeps_what_was_committed_across_a_crash(postgres, postgres_url):
    url = postgres_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    postgres.stop(kill=True)
    postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_redis_comes_back_on_the_same_url(redis_server, redis_url):
    redis_server.stop()
    redis_server.start()
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_sshd_lets_the_key_in_and_is_known_by_its_fingerprint(sshd):
    done = subprocess.run(
        [
            "ssh",
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            f"UserKnownHostsFile={sshd.known_hosts_path}",
            "-o",
            "StrictHostKeyChecking=yes",
            "-i",
            sshd.key_path,
            "-p",
            str(sshd.port),
            f"{sshd.user}@{sshd.host}",
            "echo provisioned",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "provisioned\n"), done.stderr
    keys = subprocess.run(
        ["ssh-keygen", "-l", "-f", sshd.known_hosts_path], capture_output=True, text=True, check=True
    )
    assert sshd.fingerprint in keys.stdout


def test_moto_answers_boto3_over_http_and_starts_empty(moto):
    client = boto3.client(
        "sqs",
        endpoint_url=moto.url,
        region_name=moto.region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    assert "QueueUrls" not in client.list_queues()
    client.create_queue(QueueName="events")
    assert len(client.list_queues()["QueueUrls"]) == 1


def test_alertmanager_runs_with_the_given_configuration(alertmanager):
    running = alertmanager("route: {receiver: none}\nreceivers: [{name: none}]\n")
    running.post_alerts([{"labels": {"alertname": "HighLatency"}}])


def test_what_a_session_started_dies_with_it_even_by_sigkill():
    """Given a session that started a Redis, when it is killed, then the Redis goes too."""
    script = (
        "from tests.servers.process import Yard; from tests.servers.redis import Redis; import sys\n"
        "running = Redis(Yard()); print(running.port, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdout is not None
        port = int(session.stdout.readline())
        assert listens(port)
        session.kill()
    eventually(lambda: not listens(port))


def test_every_program_names_the_package_that_brings_it():
    assert all(program.package and program.purpose for program in ALL)
