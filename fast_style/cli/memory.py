"""How the process asks the system for memory."""

import ctypes
import os
import platform

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
KEPT = 2**31 - 1  # bytes that are free at the end of the heap and not given back, the most an int can say
SETTINGS = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "LD_PRELOAD", "GLIBC_TUNABLES")


def keep_memory() -> bool:
    """Have glibc keep freed memory instead of giving it back, since a training asks for as much again at each step.

    Activations are so large that glibc maps each anew, and the system fills each page with zeros at its first use:
    `python benchmarks/training.py --no-compile --rounds 3` took 10,520,172 page faults and 33.0 s of the system's time
    with `--give-memory-back`, 880,305 and 9.0 s without, and 3.81 GB of memory at most in place of 3.44.

    Returns:
        Whether it was done: on Linux with glibc, unless the environment chooses another allocator or its settings.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in SETTINGS):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, KEPT) and mallopt(M_TOP_PAD, 2**26))
