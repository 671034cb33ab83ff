// Small help for code that calls HDF5: element types both ways, and failures with HDF5's own reason.
// Private to io/h5_*.c; everything here runs on the H5Thread.
#ifndef TSB_IO_H5_UTIL_H
#define TSB_IO_H5_UTIL_H

#include "io/base/dtype.h"
#include "io/h5_thread.h"

#include <hdf5.h>

// How the elements of a data set are stored.
typedef struct H5Element {
    DType dtype; // DT_INVALID: cannot be used, see `unusable`
    bool swap;   // bytes are in the other order than this machine's (complex: of each part)
    const char *unusable;
} H5Element;

H5Element h5_element(hid_t type);
// A new type that stores `t` in a file (bfloat16 as float32), or a negative number. Close it with H5Tclose.
hid_t h5_file_type(DType t);

// status_fail with the innermost reason of HDF5's error stack behind the message.
Status h5_fail(Status code, const char *fmt, ...) PRINTF_LIKE(2, 3);

// File access properties; close with H5Pclose. Input is locked against writers where the file system has locks. The
// output is not: someone who looks at it while it grows must not make the run fail.
hid_t h5_access(bool lock);

#endif
