#!/usr/bin/env bash
# Makes the pages of Documentation for DocC (.build-documentation) and checks that every file they name exists.
set -euo pipefail
cd "$(dirname "$0")/.."

docc convert Documentation/Apus.docc --output-path .build-documentation --warnings-as-errors \
    --fallback-display-name Apus --fallback-bundle-identifier apus
python3 - README.md CONTRIBUTING.md Documentation/Apus.docc/*.md <<'PYTHON'
import pathlib
import re
import sys

wrong = []
for name in sys.argv[1:]:
    page = pathlib.Path(name)
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if "://" not in target and not (page.parent / target).exists():
            wrong.append(f"{name}: {target}")
    for target in re.findall(r"(?:Sources|Tests|Kernels|Scripts|Models|Examples)/[\w+./-]*[\w]", text):
        if not pathlib.Path(target).exists() and "<" not in target:
            wrong.append(f"{name}: {target}")
for line in wrong:
    print(f"{line} does not exist", file=sys.stderr)
sys.exit(1 if wrong else 0)
PYTHON
