// LZF: a byte stream of literal runs and back references.
// A control byte below 32 starts a run of that many literals plus one. Otherwise its upper 3 bits are a length (7: a
// byte is added), its lower 5 bits and the next byte a distance; length + 2 bytes are repeated from distance + 1 bytes
// before.
#include "io/lzf.h"

#include <string.h>

bool lzf_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    size_t i = 0, o = 0;
    while (i < in_size) {
        size_t control = in[i++];
        if (control < 32) {
            size_t run = control + 1;
            if (run > in_size - i || run > out_size - o)
                return false;
            memcpy(out + o, in + i, run);
            i += run;
            o += run;
            continue;
        }
        size_t length = control >> 5, distance = (control & 31) << 8;
        if (in_size - i < (length == 7 ? 2u : 1u))
            return false;
        if (length == 7)
            length += in[i++];
        length += 2;
        distance += (size_t)in[i++] + 1;
        if (distance > o || length > out_size - o)
            return false;
        for (size_t k = 0; k < length; k++, o++) // may overlap: a run repeats itself
            out[o] = out[o - distance];
    }
    return o == out_size;
}
