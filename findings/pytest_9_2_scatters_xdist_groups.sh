#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: tests of one xdist_group, under `-n 2 --dist loadgroup`, run in several workers, and nothing says so. With
# pytest 9.1 all of a group run in one worker, as pytest-xdist's documentation promises. pytest-xdist 3.8.0 declares pytest>=7.0.0, so a resolver
# takes the pair. Whatever shares a server, a port or a heavy fixture by such a group is made twice, or collides.
# Seen on 2026-12-01, CPython 3.11.7: workers of the eight tests of group "g": 2 (pytest 9.2.0), 1 (pytest 9.1.1).
# Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > test_group.py <<'PYTHON'
import os

import pytest


@pytest.mark.xdist_group("g")
@pytest.mark.parametrize("number", range(8))
def test_of_the_group(number):
    with open(f"ran-in-{os.environ['PYTEST_XDIST_WORKER']}", "a") as file:
        file.write(f"{number}\n")
PYTHON

workers() {
	python3 -m venv --clear env
	env/bin/python -m pip install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0 execnet==2.1.1
	rm -f ran-in-*
	env/bin/python -m pytest -q -n 2 --dist loadgroup test_group.py >/dev/null
	set -- ran-in-*
	echo $#
}

new=$(workers 9.2.0)
old=$(workers 9.1.1)
echo "workers that ran one group: $new with pytest 9.2.0, $old with pytest 9.1.1 (pytest-xdist 3.8.0)"
[ "$new" -gt 1 ] && [ "$old" -eq 1 ]
