// `tsbatch diff`: compares the data sets of two files.
#ifndef TSB_COORDINATOR_DIFF_H
#define TSB_COORDINATOR_DIFF_H

#include "coordinator/options.h"

// *different: some data set differs, or is in one file only; what differs was printed to stdout.
Status diff_command(const Options *o, bool *different);

#endif
