"""An MLflow server that asks for a login, as one behind a proxy does; prints its port. Arguments: folder, login."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path


def serve(folder: Path, login: str) -> None:
    """Serve until the process is ended.

    Args:
        folder: for the database and the artifacts.
        login: ``user:password``.
    """
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, ARTIFACTS_DESTINATION_ENV_VAR, BACKEND_STORE_URI_ENV_VAR

    os.environ[BACKEND_STORE_URI_ENV_VAR] = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ[ARTIFACT_ROOT_ENV_VAR] = os.environ[ARTIFACTS_DESTINATION_ENV_VAR] = str(folder / "artifacts")
    from mlflow.server import app
    from werkzeug.serving import make_server

    expected = "Basic " + base64.b64encode(login.encode()).decode()

    def guarded(environ, start_response):
        if environ.get("HTTP_AUTHORIZATION") != expected:
            start_response("401 Unauthorized", [("WWW-Authenticate", "Basic")])
            return [b""]
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, guarded, threaded=True)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
