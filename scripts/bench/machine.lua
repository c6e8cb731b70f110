--- What the machine itself takes: the rows of limits.c that stand beside the others' figures.

return {
  { title = "the machine itself, in C", other = "", rows = {
    { "fork and waitpid", limit = "fork 1" },
    { "posix_spawn and waitpid", limit = "spawn 1" },
    { "round trip of futex wake-ups", limit = "futex" },
    { "round trip of spinning", limit = "echo 0" },
    { "ring, one to one, 8 B", limit = "spsc 8" },
    { "ring, 2 to 2, 8 B", limit = "mpmc" },
    { "memcpy of 1 MiB, in and out", limit = "copy 1048576" },
    { "pthread mutex, alone", limit = "mutex" },
    { "pthread mutex, two processes", limit = "mutex2" },
    { "atomic add, alone", limit = "add" },
    { "atomic add, two processes", limit = "add2" },
  } },
}
