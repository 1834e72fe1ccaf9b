"""Seeds of random tests: the test's own, so that every run of it is the same; another one by a variable."""

import os
import random


def seed(own, name="MTF_SEED"):
    """A number; that of the environment variable if it is set, of which "random" is a new one."""
    value = os.environ.get(name) or str(own)
    return random.SystemRandom().randrange(10**9) if value == "random" else int(value)
