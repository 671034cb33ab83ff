// Model file: the archive on every rank, mapped from the file where the rank can see it, else from memory that the
// coordinator filled: one copy per node.
#ifndef TSB_COORDINATOR_MODEL_FILE_H
#define TSB_COORDINATOR_MODEL_FILE_H

#include "coordinator/node.h"
#include "io/archive.h"

typedef struct ModelFile {
    Archive *archive;   // until someone takes it: then set to NULL
    NodeMemory memory;  // behind the archive, when the file was sent
    uint64_t size, fingerprint;
} ModelFile;

// Collective; all ranks return the same status.
Status model_file_open(Comm *c, const HostNode *n, const char *path, ModelFile *out);
// After everything that used the archive.
void model_file_close(ModelFile *f);

// `code` with a message when there is no such file: naming a wrong file is no fault of the disk.
Status file_must_exist(const char *path, Status code);
// Size and a 64-bit FNV-1a hash of the first 64 KiB, the last MiB and the size of an archive: enough to tell two of them
// apart in no time, since the end is the directory, which has checksums of all records.
Status file_fingerprint(const char *path, uint64_t *size, uint64_t *fingerprint);

#endif
