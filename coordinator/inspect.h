// `tsbatch inspect`: what is in a model. Nothing of it is executed.
#ifndef TSB_COORDINATOR_INSPECT_H
#define TSB_COORDINATOR_INSPECT_H

#include "coordinator/options.h"

Status inspect_command(const Options *o);

#endif
