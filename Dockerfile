# The operator's image: Debian's Python with the libraries it loads, the packages of requirements.lock, and Headgate. No
# shell, no package manager, no user with a name in the cluster, a root file system that can be read-only.
#
# `python -m hack.image build` builds this same file without a registry, and with the same bytes each time.

ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet --yes --no-install-recommends binutils ca-certificates python3 python3-pip
WORKDIR /build
COPY hack/image/rootfs.py ./
RUN python3 rootfs.py debian /image
COPY requirements.lock ./
RUN python3 -m pip install --no-compile --require-hashes --only-binary :all: --root-user-action ignore \
        --target /image/usr/local/lib/python3.13/dist-packages --requirement requirements.lock
# Pure Python: its files are copied to where an installation would put them, so that no build tool has to be downloaded
# that the lock does not name.
COPY operator/headgate /image/usr/local/lib/python3.13/dist-packages/headgate
COPY LICENSE /image/licenses/LICENSE
RUN python3 rootfs.py finish /image

FROM scratch
LABEL org.opencontainers.image.title="headgate" \
      org.opencontainers.image.description="Job queues for Kubernetes as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# Nothing is loaded from the working directory, which somebody could write to.
ENV PATH=/usr/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["python", "-m", "headgate"]
