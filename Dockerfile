# The operator's image. Nothing is installed that is not in requirements.lock with its hash, and nothing of the build
# stage remains but the virtual environment. It runs as a user without a name, with a read-only root file system.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/headgate
WORKDIR /src
COPY requirements.lock ./
RUN pip --python /opt/headgate/bin/python install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator ./operator
# The package itself is pure Python: its files are copied to where an installation would put them, so that no build
# tool has to be downloaded that the lock does not name.
RUN site="$(/opt/headgate/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && cp -r operator/headgate "${site}/headgate" \
    && printf '%s\n' '#!/opt/headgate/bin/python' 'import sys' 'from headgate.__main__ import main' 'sys.exit(main())' \
        > /opt/headgate/bin/headgate-operator \
    && chmod 0755 /opt/headgate/bin/headgate-operator \
    && /opt/headgate/bin/python -m compileall -q "${site}"

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="headgate" \
      org.opencontainers.image.description="Job queues for Kubernetes as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/headgate /opt/headgate
COPY LICENSE /licenses/LICENSE
ENV PATH=/opt/headgate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["headgate-operator"]
