# The study and its packages on Debian:
#
#   docker build --tag select-and-improve .
#   docker run --rm select-and-improve                                    make demo
#   docker run --name smoke select-and-improve make study TIER=smoke
#   docker cp smoke:/study/results/smoke results/smoke
FROM python:3.11.13-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home reader \
    && install --directory --owner reader /study
USER reader
WORKDIR /study

# The packages first: another version of the code then needs no other download.
COPY --chown=reader requirements.txt ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --requirement requirements.txt

COPY --chown=reader . .
# make compares times of files, and those of the clone may be newer than the packages.
RUN touch .venv/.installed

CMD ["make", "demo"]
