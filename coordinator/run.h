// `tsbatch run`: scores a data set. Every rank calls it; all return the same status, and rank 0 has its message.
#ifndef TSB_COORDINATOR_RUN_H
#define TSB_COORDINATOR_RUN_H

#include "coordinator/comm.h"
#include "coordinator/options.h"

// *abandoned: lanes were still computing when the run was interrupted, so the process must end without cleaning up.
Status run_command(Comm *c, const Options *o, bool *abandoned);

#endif
