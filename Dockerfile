# Build:  docker build -t litefleet .        Run:  docker run -p 7480:7480 -v litefleet:/data litefleet
FROM eclipse-temurin:25-jdk AS build
RUN apt-get update && apt-get install -y --no-install-recommends maven && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN mvn -B -ntp -q -DskipTests -Dspotless.check.skip=true -pl fleet-controller -am package

FROM eclipse-temurin:25-jre
RUN useradd --uid 10001 --create-home litefleet && mkdir /data && chown 10001 /data
COPY --from=build /src/fleet-controller/target/lib /opt/litefleet/fleet-controller/target/lib
COPY --from=build /src/litefleet /opt/litefleet/litefleet
ENV PATH=/opt/litefleet:$PATH
USER 10001
VOLUME /data
EXPOSE 7480
ENTRYPOINT ["litefleet"]
CMD ["up", "--data", "/data", "--host", "0.0.0.0"]
