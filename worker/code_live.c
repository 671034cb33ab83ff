// Liveness over structured control flow: where each value of a graph is used for the last time.
// One walk backward with a set of live values; a loop body keeps everything alive that it uses from outside.
#include "worker/code.h"

typedef uint64_t *Bits;

static bool bit_get(Bits b, uint32_t i) { return b[i / 64] >> (i % 64) & 1; }
static void bit_set(Bits b, uint32_t i) { b[i / 64] |= (uint64_t)1 << (i % 64); }
static void bit_clear(Bits b, uint32_t i) { b[i / 64] &= ~((uint64_t)1 << (i % 64)); }
static size_t bit_words(const Liveness *l) { return l->value_count / 64 + 1; }
static Bits bits_new(Liveness *l) { return ARENA_ARRAY(l->arena, uint64_t, bit_words(l)); }
static Bits bits_copy(Liveness *l, Bits b) { return arena_copy(l->arena, b, bit_words(l) * sizeof *b); }

static void number_value(Liveness *l, Value *v) { v->note = (void *)(uintptr_t)++l->value_count; }

static void number_block(Liveness *l, Block *b)
{
    for (uint32_t i = 0; i < b->param->output_count; i++)
        number_value(l, b->param->outputs[i]);
    b->param->note = (void *)(uintptr_t)++l->node_count;
    for (Node *n = block_first(b); n != b->ret; n = n->next) {
        n->note = (void *)(uintptr_t)++l->node_count;
        for (uint32_t i = 0; i < n->output_count; i++)
            number_value(l, n->outputs[i]);
        for (uint32_t i = 0; i < n->block_count; i++)
            number_block(l, n->blocks[i]);
    }
    b->ret->note = (void *)(uintptr_t)++l->node_count;
}

// Values that the block uses but does not define.
static void outer_uses(Block *b, Bits uses)
{
    for (Node *n = block_first(b);; n = n->next) {
        for (uint32_t i = 0; i < n->input_count; i++)
            if (!value_in_bank(n->inputs[i]))
                bit_set(uses, value_number(n->inputs[i]));
        for (uint32_t i = 0; i < n->block_count; i++)
            outer_uses(n->blocks[i], uses);
        if (n == b->ret)
            break;
    }
    for (uint32_t i = 0; i < b->param->output_count; i++)
        bit_clear(uses, value_number(b->param->outputs[i]));
    for (Node *n = block_first(b); n != b->ret; n = n->next)
        for (uint32_t i = 0; i < n->output_count; i++)
            bit_clear(uses, value_number(n->outputs[i]));
}

// Input i of n is read; it dies there unless it is live afterwards.
static void use(Liveness *l, Bits live, const Node *n, uint32_t i)
{
    const Value *v = n->inputs[i];
    if (value_in_bank(v))
        return;
    uint32_t number = value_number(v);
    l->used[number] = 1;
    if (!bit_get(live, number)) {
        ((uint8_t *)(uintptr_t)node_life(l, n)->dies)[i] = 1;
        bit_set(live, number);
    }
}

// The values in `a` and not in `b`.
static void difference(Liveness *l, Value **values, Bits a, Bits b, Value ***out, uint32_t *count)
{
    *out = NULL;
    *count = 0;
    for (size_t w = 0; w < bit_words(l); w++)
        for (uint64_t d = a[w] & ~b[w]; d; d &= d - 1)
            ARENA_PUSH(l->arena, *out, *count, values[w * 64 + (size_t)__builtin_ctzll(d)]);
}

static void live_block(Liveness *l, Value **values, Block *b, Bits live);

static void live_if(Liveness *l, Value **values, Node *n, Bits live, const uint8_t *out_used)
{
    Bits branch[2] = {bits_copy(l, live), bits_copy(l, live)};
    for (int k = 0; k < 2; k++) {
        Node *ret = n->blocks[k]->ret;
        for (uint32_t i = ret->input_count; i-- > 0;)
            if (out_used[i])
                use(l, branch[k], ret, i);
        live_block(l, values, n->blocks[k], branch[k]);
    }
    for (size_t w = 0; w < bit_words(l); w++)
        live[w] = branch[0][w] | branch[1][w];
    NodeLife *life = node_life(l, n);
    for (int k = 0; k < 2; k++)
        difference(l, values, live, branch[k], &life->release[k], &life->release_count[k]);
}

static void live_loop(Liveness *l, Value **values, Node *n, Bits live)
{
    Bits uses = bits_new(l), after = bits_copy(l, live);
    outer_uses(n->blocks[0], uses);
    for (size_t w = 0; w < bit_words(l); w++)
        live[w] |= uses[w];
    Bits body = bits_copy(l, live);
    Node *ret = n->blocks[0]->ret;
    for (uint32_t i = ret->input_count; i-- > 0;)
        use(l, body, ret, i);
    live_block(l, values, n->blocks[0], body);
    NodeLife *life = node_life(l, n);
    difference(l, values, uses, after, &life->release[0], &life->release_count[0]);
}

static void live_node(Liveness *l, Value **values, Node *n, Bits live)
{
    uint8_t *out_used = ARENA_ARRAY(l->arena, uint8_t, n->output_count + 1);
    for (uint32_t i = 0; i < n->output_count; i++) {
        uint32_t number = value_number(n->outputs[i]);
        out_used[i] = bit_get(live, number);
        bit_clear(live, number);
    }
    if (n->kind == NODE_IF)
        live_if(l, values, n, live, out_used);
    else if (n->kind == NODE_LOOP)
        live_loop(l, values, n, live);
    for (uint32_t i = n->input_count; i-- > 0;)
        use(l, live, n, i);
}

static void live_block(Liveness *l, Value **values, Block *b, Bits live)
{
    for (Node *n = b->ret->prev; n != b->ret; n = n->prev)
        if (n->kind != NODE_CONSTANT && n->kind != NODE_UNINITIALIZED)
            live_node(l, values, n, live);
}

// Fills the table of values by number and gives each node its array of flags.
static void collect(Liveness *l, Value **values, Block *b)
{
    for (uint32_t i = 0; i < b->param->output_count; i++)
        values[value_number(b->param->outputs[i])] = b->param->outputs[i];
    for (Node *n = block_first(b);; n = n->next) {
        node_life(l, n)->dies = ARENA_ARRAY(l->arena, uint8_t, n->input_count + 1);
        for (uint32_t i = 0; i < n->output_count; i++)
            values[value_number(n->outputs[i])] = n->outputs[i];
        for (uint32_t i = 0; i < n->block_count; i++)
            collect(l, values, n->blocks[i]);
        if (n == b->ret)
            break;
    }
}

void liveness_compute(Liveness *l, const Graph *g)
{
    l->value_count = l->node_count = 0;
    number_block(l, g->top);
    l->nodes = ARENA_ARRAY(l->arena, NodeLife, l->node_count + 1);
    l->used = ARENA_ARRAY(l->arena, uint8_t, l->value_count + 1);
    Value **values = ARENA_ARRAY(l->arena, Value *, l->value_count + 64);
    collect(l, values, g->top);
    Bits live = bits_new(l);
    for (uint32_t i = g->top->ret->input_count; i-- > 0;)
        use(l, live, g->top->ret, i);
    live_block(l, values, g->top, live);
}
