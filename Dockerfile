# One target per process: docker build --target ingest --tag meta-ingest .
# No image contains a secret: .dockerignore admits only sources, and a container gets its secrets as mounted files.

FROM rust:1.95.0-slim-bookworm AS chef
WORKDIR /src
RUN cargo install --locked cargo-chef@0.1.78

# The recipe depends only on the manifests and the lock file, so it changes only when a dependency does.
FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Backtraces still show function names; line numbers would make up four fifths of an image.
ENV CARGO_PROFILE_DIST_DEBUG=none
COPY --from=plan /src/recipe.json .
# This layer builds every dependency, and is reused until the recipe changes.
RUN cargo chef cook --profile dist --locked --recipe-path recipe.json \
    --package chassis --package ingest --package dispatcher --package connect --package ops
COPY . .
RUN cargo build --profile dist --locked --bins --package chassis --package ingest --package dispatcher --package connect --package ops
# Collects what a program needs from the system, and nothing else: loader, libraries and certificates. There is no
# shell and no package manager.
WORKDIR /system/etc/ssl/certs
RUN cp /etc/ssl/certs/ca-certificates.crt . \
    && ldd /src/target/dist/ingest /src/target/dist/dispatcher \
       /src/target/dist/connect /src/target/dist/ops > /libraries \
    && grep --only-matching --extended-regexp '/lib[^ ]+' /libraries | sort --unique \
    | xargs cp --dereference --parents --target-directory /system
WORKDIR /src

FROM scratch AS system
COPY --from=build /system /
COPY --from=build /src/target/dist/probe /bin/
ENV PATH=/bin
USER 65532:65532
STOPSIGNAL SIGTERM

FROM system AS ingest
COPY --from=build /src/target/dist/ingest /bin/
ENV INGEST_LISTEN=0.0.0.0:8080 ADMIN_LISTEN=0.0.0.0:9401 LOG_FORMAT=json
EXPOSE 8080 9401
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["probe", "http://127.0.0.1:9401/live"]
ENTRYPOINT ["ingest"]

FROM system AS dispatcher
COPY --from=build /src/target/dist/dispatcher /bin/
ENV ADMIN_LISTEN=0.0.0.0:9402 LOG_FORMAT=json
EXPOSE 9402
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["probe", "http://127.0.0.1:9402/live"]
ENTRYPOINT ["dispatcher"]

FROM system AS connect
COPY --from=build /src/target/dist/connect /bin/
ENV CONNECT_LISTEN=0.0.0.0:8090 ADMIN_LISTEN=0.0.0.0:9403 LOG_FORMAT=json
EXPOSE 8090 9403
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["probe", "http://127.0.0.1:9403/live"]
ENTRYPOINT ["connect"]

# The operator's command, and the stand-in for DSK (`ops dsk`).
FROM system AS ops
COPY --from=build /src/target/dist/ops /bin/
ENTRYPOINT ["ops"]
