// Writes and reads batches that travel between stages.
// The head is built in one buffer that becomes the message; parts are sent from the tensors' own memory.
#include "coordinator/parcel.h"

#include <stdlib.h>

enum { SECONDS_AT = 4 * sizeof(int64_t) }; // in the head

void parcel_rewind(ParcelIn *p)
{
    p->reader = transfer_reader(p->message.data, p->message.size, (const TransferPart *)p->message.parts, (uint32_t)p->message.part_count);
    Wire *w = &p->reader.at;
    p->batch = wire_int(w);
    p->first = wire_int(w);
    p->count = wire_int(w);
    p->calls = wire_int(w);
    wire_get(w, &p->seconds, sizeof p->seconds);
}

Status parcel_open(CommMessage *message, ParcelIn **out)
{
    ParcelIn *p = calloc(1, sizeof *p);
    if (!p) {
        comm_message_free(message);
        return status_no_memory(sizeof *p);
    }
    p->message = *message;
    *message = (CommMessage){0};
    parcel_rewind(p);
    if (p->reader.at.failed || p->count < 1 || (p->calls != 1 && p->calls != p->count)) {
        parcel_in_free(p);
        return status_fail(ST_INTERNAL, "a batch from the stage before is cut short");
    }
    *out = p;
    return ST_OK;
}

Status parcel_next_call(ParcelIn *p, const TransferTable *table, Lane *lane, uint32_t count, IValue *values, const char **raised)
{
    Wire *w = &p->reader.at;
    *raised = NULL;
    if (wire_int(w)) {
        *raised = wire_text(w);
        return w->failed ? status_fail(ST_INTERNAL, "a batch from the stage before is cut short") : ST_OK;
    }
    if (wire_int(w))
        TRY(transfer_unpack_generator(&p->reader, lane));
    return transfer_unpack(&p->reader, table, lane, count, values);
}

void parcel_in_free(ParcelIn *p)
{
    if (p)
        comm_message_free(&p->message);
    free(p);
}

Status parcel_new(int64_t batch, int64_t first, int64_t count, int64_t calls, ParcelOut **out)
{
    ParcelOut *p = calloc(1, sizeof *p);
    if (!p)
        return status_no_memory(sizeof *p);
    Buf *head = &p->transfer.head;
    wire_put_int(head, batch);
    wire_put_int(head, first);
    wire_put_int(head, count);
    wire_put_int(head, calls);
    buf_bytes(head, &(double){0}, sizeof(double));
    *out = p;
    return ST_OK;
}

Status parcel_add_error(ParcelOut *p, const char *message)
{
    wire_put_int(&p->transfer.head, 1);
    wire_put_text(&p->transfer.head, message);
    return buf_status(&p->transfer.head);
}

static Status keep(ParcelOut *p, const IValue *values, uint32_t count)
{
    if (p->capacity - p->count < count) {
        uint32_t capacity = 2 * p->capacity + count;
        IValue *more = realloc(p->values, capacity * sizeof *more);
        if (!more)
            return status_no_memory(capacity * sizeof *more);
        p->values = more;
        p->capacity = capacity;
    }
    if (count)
        memcpy(p->values + p->count, values, count * sizeof *values);
    p->count += count;
    return ST_OK;
}

Status parcel_add_call(ParcelOut *p, const TransferTable *table, Lane *lane, bool generator, IValue *values, uint32_t count)
{
    Status s = keep(p, values, count);
    if (s != ST_OK) {
        values_discard(values, count, NULL, 0);
        return s;
    }
    wire_put_int(&p->transfer.head, 0);
    wire_put_int(&p->transfer.head, generator);
    if (generator)
        TRY(transfer_pack_generator(&p->transfer, lane));
    TRY(transfer_pack(&p->transfer, table, lane, p->values + p->count - count, count));
    return buf_status(&p->transfer.head);
}

void parcel_set_seconds(ParcelOut *p, double seconds)
{
    if (p->transfer.head.len >= SECONDS_AT + sizeof seconds)
        memcpy(p->transfer.head.ptr + SECONDS_AT, &seconds, sizeof seconds);
}

Status parcel_send(ParcelOut *p, Comm *c, int to, int tag)
{
    Buf head = p->transfer.head;
    p->transfer.head = (Buf){0};
    return comm_send_parts(c, to, tag, head.ptr, head.len, (const CommPart *)p->transfer.parts, (int)p->transfer.part_count, p);
}

void parcel_out_free(ParcelOut *p)
{
    if (!p)
        return;
    values_discard(p->values, p->count, NULL, 0);
    free(p->values);
    transfer_free(&p->transfer);
    free(p);
}
