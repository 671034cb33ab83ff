// LZF, the quick compression that h5py offers besides gzip and that the HDF5 library itself does not know.
#ifndef TSB_IO_LZF_H
#define TSB_IO_LZF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LZF_FILTER = 32000 }; // its number among HDF5's registered filters

// Expands `in` to exactly `out_size` bytes. False when the data are damaged.
bool lzf_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

#endif
