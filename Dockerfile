FROM python:3.13-slim AS build
WORKDIR /muster
RUN python -m venv /opt/muster
ENV PATH=/opt/muster/bin:$PATH PIP_NO_CACHE_DIR=1
COPY requirements.lock .
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY write_side write_side
COPY projector projector
COPY read_side read_side
RUN pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/muster /opt/muster
ENV PATH=/opt/muster/bin:$PATH
# The volumes take over whose these directories are.
RUN useradd --system --uid 10001 --create-home muster && install --directory --owner muster --mode 0700 /home/muster/keys /home/muster/mail
USER muster
WORKDIR /home/muster
ENTRYPOINT ["muster"]
CMD ["--help"]
