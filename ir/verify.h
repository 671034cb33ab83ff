// The verifier: run after every pass in debug builds, and on every graph read from text.
#ifndef TSB_IR_VERIFY_H
#define TSB_IR_VERIFY_H

#include "ir/graph.h"

// Checks structure: rings, uses against inputs, dominance, block signatures of If and Loop, schemas against inputs and
// outputs. ST_INTERNAL with the node's text.
Status graph_verify(const Graph *g);

#endif
