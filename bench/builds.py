# SPDX-License-Identifier: MIT
"""Release builds: of this tree, and of another revision of it."""

import os
import shutil
import subprocess
import sys

from servers import Failure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVER, LIBRARY = "anystore-server", "anystore-bench"
PLACES = {SERVER: "server", LIBRARY: "bench"}


def call(command, **options):
    """Its output; a Failure with all that it printed when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failure("%s failed:\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


def build(root, *targets):
    """The release of a tree, as script/server builds it; the paths of the targets."""
    directory = os.path.join(root, "build", "release")
    call(["cmake", "-S", root, "--preset", "release"], cwd=root)
    call(["cmake", "--build", directory, "--target", *targets], cwd=root)
    return [os.path.join(directory, PLACES[target], target) for target in targets]


def build_here(*targets):
    subprocess.run([os.path.join(ROOT, "script", "deps"), "bench"], check=True)
    print("building the release", file=sys.stderr)
    return build(ROOT, *targets)


def revision_of(name):
    """The full name of a commit."""
    try:
        return call(["git", "-C", ROOT, "rev-parse", "--verify", "--quiet", name + "^{commit}"]).strip()
    except Failure:
        raise Failure("'%s' is neither a file nor a revision of this repository" % name) from None


def build_revision(name):
    """The server of a revision, built in a tree of its own under build/against, where it stays."""
    commit = revision_of(name)
    root = os.path.join(ROOT, "build", "against", commit)
    if not os.path.isdir(root):
        unpacked = root + ".new"
        shutil.rmtree(unpacked, ignore_errors=True)
        os.makedirs(unpacked)
        archive = unpacked + ".tar"
        call(["git", "-C", ROOT, "archive", "--output", archive, commit])
        call(["tar", "-x", "-f", archive, "-C", unpacked])
        os.unlink(archive)
        os.rename(unpacked, root)
    print("building the release of %s" % commit[:12], file=sys.stderr)
    return build(root, SERVER)[0]


def find(name):
    """A server: the file of that name, or the build of the revision of that name."""
    if os.path.isfile(name):
        if not os.access(name, os.X_OK):
            raise Failure("%s is not a program" % name)
        return os.path.abspath(name)
    return build_revision(name)
