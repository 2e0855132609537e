# One image for engines and replicas: `docker run aurochs replica ...`, or Longhorn's command line by `--entrypoint bin/longhorn`. test/docker-steps tries its steps without Docker.
FROM node:20-bookworm-slim AS build
WORKDIR /aurochs
RUN apt-get update && \
    apt-get install -y --no-install-recommends g++ cmake ninja-build pkg-config libnghttp2-dev zlib1g-dev && \
    rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && \
    npm prune --omit=dev --no-audit --no-fund && \
    find dist -name '*.test.*' -delete && \
    rm -rf dist/test dist/bench dist/.tsbuildinfo && \
    strip native/build/release/aurochs.node

FROM node:20-bookworm-slim
WORKDIR /aurochs
RUN apt-get update && \
    apt-get install -y --no-install-recommends libnghttp2-14 zlib1g && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /aurochs/package.json /aurochs/LICENSE ./
COPY --from=build /aurochs/bin/aurochs bin/aurochs
COPY --from=build /aurochs/bin/longhorn bin/longhorn
COPY --from=build /aurochs/native/build/release/aurochs.node native/build/release/aurochs.node
COPY --from=build /aurochs/node_modules node_modules
COPY --from=build /aurochs/dist dist
ENTRYPOINT ["/aurochs/bin/aurochs"]
