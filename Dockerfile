# edgeplan and CBC's helper in a small image:
#   docker build --build-arg REVISION="$(git describe --always --dirty)" --tag edgeplan .
#   docker run --rm --volume "$PWD:/data" edgeplan plan --cluster cluster.toml
FROM rust:1.95-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        cmake coinor-libcbc-dev g++ libclang1 make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# What records call this build: a container has no repository.
ARG REVISION=unknown
RUN EDGEPLAN_REVISION="$REVISION" cargo build --release --locked --package edgeplan-cli --package edgeplan-cbc \
    && strip target/release/edgeplan target/release/edgeplan-cbc

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends coinor-libcbc3 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 edgeplan
COPY --from=build /source/target/release/edgeplan /source/target/release/edgeplan-cbc /usr/local/bin/
USER 1000
WORKDIR /data
ENTRYPOINT ["edgeplan"]
