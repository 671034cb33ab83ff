// Gets the archive to every rank: by path, or by sending its bytes.
// A rank whose file of that name is another one (size or fingerprint differ) counts as one that cannot see it.
#include "coordinator/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 64 << 10, TAIL_BYTES = 1 << 20, PIECE = 16 << 20 };

static uint64_t fnv(uint64_t h, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static Status hash_file(int fd, const char *path, uint64_t size, uint64_t *out)
{
    uint8_t *buffer = malloc(TAIL_BYTES);
    if (!buffer)
        return status_no_memory(TAIL_BYTES);
    uint64_t h = 14695981039346656037u;
    ssize_t head = pread(fd, buffer, size < HEAD_BYTES ? size : HEAD_BYTES, 0);
    if (head > 0)
        h = fnv(h, buffer, (size_t)head);
    uint64_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    ssize_t tail = pread(fd, buffer, size - from, (off_t)from);
    if (tail > 0)
        h = fnv(h, buffer, (size_t)tail);
    free(buffer);
    if (head < 0 || tail < 0)
        return status_fail(ST_IO, "%s: cannot read: %s", path, strerror(errno));
    *out = fnv(h, (const uint8_t *)&size, sizeof size);
    return ST_OK;
}

Status file_must_exist(const char *path, Status code)
{
    return access(path, F_OK) == 0 ? ST_OK : status_fail(code, "%s: %s", path, strerror(errno));
}

Status file_fingerprint(const char *path, uint64_t *size, uint64_t *fingerprint)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_fail(ST_IO, "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    Status s = ST_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        s = status_fail(ST_IO, "%s: not a regular file", path);
    if (s == ST_OK) {
        *size = (uint64_t)st.st_size;
        s = hash_file(fd, path, *size, fingerprint);
    }
    close(fd);
    return s;
}

// Every rank receives every piece; leaders of nodes that lack the file keep them.
static Status send_bytes(Comm *c, const uint8_t *source, uint8_t *keep, uint64_t size)
{
    uint8_t *scratch = keep || source ? NULL : malloc(PIECE);
    Status s = keep || source || scratch ? ST_OK : status_no_memory(PIECE);
    TRY(comm_agree(c, s));
    for (uint64_t at = 0; at < size && s == ST_OK; at += PIECE) {
        size_t piece = size - at < PIECE ? size - at : PIECE;
        // The source is mapped read-only; MPI only reads it at the root.
        uint8_t *buffer = source ? (uint8_t *)(uintptr_t)(source + at) : keep ? keep + at : scratch;
        s = comm_broadcast(c, 0, buffer, piece);
        if (s == ST_OK && source && keep)
            memcpy(keep + at, source + at, piece);
    }
    free(scratch);
    return comm_agree(c, s);
}

static Status open_from_memory(Comm *c, const HostNode *n, const char *path, bool lacking, const uint8_t *node_lacks, ModelFile *out)
{
    bool wanted = node_lacks[n->leader];
    TRY(node_memory_share(c, n, wanted, out->size, NULL, NULL, &out->memory));
    Str bytes = comm_rank(c) == 0 ? archive_bytes(out->archive) : (Str){0};
    Status s = ST_OK;
    if (lacking && !out->memory.base)
        s = status_fail(ST_IO, "%s: not found on host %s, and its memory cannot be shared", path, n->host);
    TRY(comm_agree(c, s));
    TRY(send_bytes(c, (const uint8_t *)bytes.ptr, out->memory.first ? out->memory.base : NULL, out->size));
    if (lacking)
        s = archive_open_memory(out->memory.base, out->size, path, &out->archive);
    else
        node_memory_free(&out->memory);
    return s;
}

Status model_file_open(Comm *c, const HostNode *n, const char *path, ModelFile *out)
{
    *out = (ModelFile){.memory = {.fd = -1}};
    Status s = ST_OK;
    if (comm_rank(c) == 0) {
        s = file_must_exist(path, ST_BAD_MODEL);
        if (s == ST_OK)
            s = archive_open(path, &out->archive);
        if (s == ST_OK)
            s = file_fingerprint(path, &out->size, &out->fingerprint);
    }
    TRY(comm_agree(c, s));
    if (comm_size(c) == 1)
        return ST_OK;
    uint64_t card[2] = {out->size, out->fingerprint};
    TRY(comm_broadcast(c, 0, card, sizeof card));
    bool lacking = false;
    if (comm_rank(c) != 0) {
        lacking = file_fingerprint(path, &out->size, &out->fingerprint) != ST_OK || out->size != card[0] || out->fingerprint != card[1];
        out->size = card[0];
        out->fingerprint = card[1];
    }
    // By rank of the node's leader: does anyone on that node lack the file?
    struct { int leader; bool lacking; } mine = {n->leader, lacking}, *all = malloc((size_t)comm_size(c) * sizeof mine);
    uint8_t *node_lacks = calloc((size_t)comm_size(c), 1);
    s = all && node_lacks ? ST_OK : status_no_memory((size_t)comm_size(c) * sizeof mine);
    s = comm_agree(c, s);
    if (s == ST_OK)
        s = comm_all_gather(c, &mine, sizeof mine, all);
    bool any = false;
    for (int i = 0; s == ST_OK && i < comm_size(c); i++)
        if (all[i].lacking) {
            node_lacks[all[i].leader] = 1;
            any = true;
        }
    if (s == ST_OK && any)
        s = open_from_memory(c, n, path, lacking, node_lacks, out);
    free(all);
    free(node_lacks);
    if (s == ST_OK && !lacking && comm_rank(c) != 0)
        s = archive_open(path, &out->archive);
    return comm_agree(c, s);
}

void model_file_close(ModelFile *f)
{
    archive_close(f->archive);
    node_memory_free(&f->memory);
    f->archive = NULL;
}
