"""Variables of other programs, each with a value that would break something of ours that obeyed it."""

LIBPQ = {
    "PGOPTIONS": "-c search_path=other -c default_transaction_read_only=on",
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Nowhere/Land",
    "PGDATESTYLE": "nonsense",
    "PGGEQO": "nonsense",
    "PGSSLMODE": "require",
    "PGSSLNEGOTIATION": "direct",
    "PGGSSENCMODE": "require",
    "PGREQUIREAUTH": "none",
    "PGCHANNELBINDING": "require",
    "PGHOST": "203.0.113.1",
    "PGHOSTADDR": "203.0.113.1",
    "PGPORT": "1",
    "PGSERVICE": "none",
    "PGTARGETSESSIONATTRS": "standby",
    "PGPASSFILE": "/nowhere",
    "PGPASSWORD": "wrong",
}
CLIENTS = {
    "NO_PROXY": "localhost,[::1]",
    "no_proxy": "fd00::/8",
    "ALL_PROXY": "socks5h://127.0.0.1:9",
    "HTTP_PROXY": "gopher://[::1",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "nonsense://",
    "SSL_CERT_FILE": "/nowhere",
    "SSL_CERT_DIR": "/nowhere",
    "SSLKEYLOGFILE": "/nowhere/keys",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "NETRC": "/nowhere",
    "OPENSSL_CONF": "/nowhere",
}
LIBRARIES = {
    "LITESTAR_DEBUG": "1",
    "LITESTAR_PDB": "1",
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "PSYCOPG_IMPL": "nonsense",
    "PSYCOPG_WAIT_FUNC": "nonsense",
    "GRANIAN_PORT": "nonsense",
    "REDIS_URL": "nonsense",
    "DATABASE_URL": "nonsense",
    "SQLALCHEMY_WARN_20": "1",
    "ALEMBIC_CONFIG": "/nowhere",
    "OTEL_PYTHON_TRACER_PROVIDER": "nonsense",
    "OTEL_PYTHON_CONTEXT": "nonsense",
    "OTEL_PROPAGATORS": "nonsense",
    "OTEL_TRACES_SAMPLER": "nonsense",
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "nonsense",
    "OTEL_BSP_MAX_QUEUE_SIZE": "-1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense",
}
SYSTEM = {
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "LC_ALL": "C",
    "LANG": "xx_YY.nonsense",
    "TZ": "Nowhere/Land",
    "COLUMNS": "0",
    "TERM": "nonsense",
    "FORCE_COLOR": "1",
    "HOME": "/nowhere",
    "TMPDIR": "/nowhere",
    "XDG_CACHE_HOME": "/nowhere",
}
HOSTILE = {**LIBPQ, **CLIENTS, **LIBRARIES, **SYSTEM}
ANY_PATH = (
    'it\'s "quoted" [a]*?{b} %41 \\x \\/$(x) ;#&~\ttab\nline/ü 김 ' + "y" * 200 + ("/" + 250 * "x") * 4
)  # legal, and longer than PostgreSQL takes
