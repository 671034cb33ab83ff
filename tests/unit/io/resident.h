// How much of the mapping around an address is in memory, for tests that give pages back.
#ifndef TSB_TESTS_RESIDENT_H
#define TSB_TESTS_RESIDENT_H

#include <inttypes.h>
#include <stdio.h>

// Bytes, as /proc/self/smaps counts them; 0 when nothing is mapped there.
static inline size_t resident_around(const void *address)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    uintptr_t begin, end;
    size_t kib = 0;
    int inside = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
            inside = begin <= (uintptr_t)address && (uintptr_t)address < end;
        else if (inside && sscanf(line, "Rss: %zu kB", &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kib * 1024;
}

#endif
