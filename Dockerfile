# One image for every stage: `st-ops up` runs all of them, `st-ops serve STAGE…` some (docker-compose.yml).
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/st_ops
# The locked versions, each checked against its hash. Copied first, so that a change of the code installs nothing anew.
COPY requirements/runtime.txt requirements/
RUN /opt/st_ops/bin/pip install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY st_ops st_ops
COPY packs packs
# The build backend is among the locked requirements; the image does without it.
RUN /opt/st_ops/bin/pip install --no-deps --no-build-isolation . \
    && /opt/st_ops/bin/pip uninstall --yes hatchling editables trove-classifiers \
    && /opt/st_ops/bin/python -m compileall -q /opt/st_ops/lib

FROM python:${PYTHON}
# 10001: no user of the host, whatever runs there.
RUN groupadd --gid 10001 st_ops \
    && useradd --uid 10001 --gid st_ops --create-home st_ops \
    && install --directory --owner=st_ops --group=st_ops --mode=0700 /var/lib/st_ops \
    && install --directory /packs
COPY --from=build /opt/st_ops /opt/st_ops
ENV PATH=/opt/st_ops/bin:$PATH \
    ST_OPS_HOME=/var/lib/st_ops \
    ST_OPS_SERVER__BIND=0.0.0.0 \
    ST_OPS_PACKS__DIRS='["/packs"]'
USER st_ops
# The home: keys, the admin's token, configs, virtualenvs, and the database where it is SQLite.
VOLUME /var/lib/st_ops
EXPOSE 9101
# For `up` and `serve api`; the other stages listen on nothing (docker-compose.yml turns it off for them).
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9101/health/ready', timeout=4)"]
ENTRYPOINT ["st-ops"]
CMD ["up"]
