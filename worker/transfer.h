// Transfer: values on their way to another process that runs the same binary and has compiled the same model.
//
//   values  ->  head: tags, numbers, texts, shapes, small storages     parts: large storages, straight from their memory
//
// Two references to one container, object, tensor or storage arrive as two references to one. Strides and private layouts
// stay what they are. Of a storage travels the span of bytes that its travelling tensors cover, or all of it for models that
// see more (as_strided); storages of the model's constants and attributes travel as a number, since both sides have them.
// Persistent modules, functions, futures, generators and packed parameters of the module do not travel: ST_UNSUPPORTED.
#ifndef TSB_WORKER_TRANSFER_H
#define TSB_WORKER_TRANSFER_H

#include "io/base/wire.h"
#include "worker/model.h"

enum { TRANSFER_ALIGN = 64, TRANSFER_INLINE = 4096 }; // bytes: of parts and of the head; from here on a storage is a part

typedef struct TransferPart { const void *data; size_t size; } TransferPart; // bytes that travel straight from a tensor's memory

// An all-zero Transfer is empty.
typedef struct Transfer {
    Buf head;
    TransferPart *parts;
    uint32_t part_count, part_capacity;
    bool borrows; // a part lies in memory that is not the lane's (an input batch, a received message): it must stay until sent
    struct TransferWork *work;
} Transfer;

// What both sides know: storages of the model's constants and attributes in a fixed order, and types. Made once per
// model after model_prepare; immutable, shared by lanes, valid as long as the model.
typedef struct TransferTable TransferTable;
Status transfer_table_new(Model *m, TransferTable **out);
void transfer_table_free(TransferTable *t);

// Appends `count` values (borrowed). They must stay alive and unwritten until the parts have been sent. The head must lie
// at a multiple of TRANSFER_ALIGN when it is read. After a failure (ST_UNSUPPORTED: a value that does not travel;
// ST_MEMORY) the transfer is to be cleared.
Status transfer_pack(Transfer *t, const TransferTable *table, const Lane *lane, const IValue *values, uint32_t count);
// The state of the lane's random generator, so that the next stage draws what the method would have drawn there.
Status transfer_pack_generator(Transfer *t, const Lane *lane);
// Bytes of head and parts together.
uint64_t transfer_bytes(const Transfer *t);
// Bytes that the values would take.
Status transfer_size(const TransferTable *table, const Lane *lane, const IValue *values, uint32_t count, uint64_t *bytes);
void transfer_clear(Transfer *t); // keeps memory for the next one
void transfer_free(Transfer *t);

typedef struct TransferReader {
    const void *head;
    Wire at; // in head
    const TransferPart *parts;
    uint32_t part_count, next_part;
} TransferReader;

// Borrows all of it. `head` and every part lie at multiples of TRANSFER_ALIGN.
static inline TransferReader transfer_reader(const void *head, size_t size, const TransferPart *parts, uint32_t part_count)
{
    return (TransferReader){.head = head, .at = wire_of(head, size), .parts = parts, .part_count = part_count};
}

// The reverse of one transfer_pack of `count` values: they are the caller's. Tensors borrow head and parts, which must
// outlive them. Objects are not on the lane's list: release the values with values_discard. Anything inconsistent:
// ST_INTERNAL. After a failure all are None.
Status transfer_unpack(TransferReader *r, const TransferTable *table, Lane *lane, uint32_t count, IValue *out);
Status transfer_unpack_generator(TransferReader *r, Lane *lane);

#endif
