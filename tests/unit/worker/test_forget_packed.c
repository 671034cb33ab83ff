// A weight of the file is read once, by the kernel that packs it: with Lane.forget_packed its pages are given back then.
#include "../io/resident.h"
#include "../io/zip_writer.h"
#include "io/archive.h"
#include "worker/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

enum { IN = 1024, OUT = 512, BYTES = IN * OUT * 4 };

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

static Archive *archive_of_weight(char *path)
{
    static float weight[OUT * IN];
    for (int i = 0; i < OUT * IN; i++)
        weight[i] = (float)(i % 17 - 8) / 8;
    ZipWriter z = {0};
    zip_text(&z, "m/data.pkl", "\x80\x02).", 0);
    zip_text(&z, "m/constants.pkl", "\x80\x02).", 0);
    zip_add(&z, "m/data/0", weight, sizeof weight, ZIP_ALIGN);
    zip_text(&z, "m/version", "3\n", 0);
    zip_end(&z, false);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, z.file.ptr, z.file.len), z.file.len);
    close(fd);
    zip_free(&z);
    Archive *a;
    ok(archive_open(path, &a));
    return a;
}

// linear(x, weight), with a lane of its own; *resident: bytes of the file in memory when it is done.
static void call_linear(const Archive *a, const float *weight, bool forget, float *result, size_t *resident)
{
    PackStore *packs;
    Lane *lane;
    Tensor *x, *w;
    ok(pack_store_new(&packs));
    ok(lane_new(&(KernelContext){.packs = packs, .threads = 1}, NULL, &lane));
    lane->forget_packed = forget ? a : NULL;
    ok(tensor_new(lane, DT_F32, 2, (const int64_t[]){3, IN}, &x));
    for (int i = 0; i < 3 * IN; i++)
        ((float *)x->view.data)[i] = (float)(i % 5);
    View v = {.data = (void *)(uintptr_t)weight, .dtype = DT_F32};
    view_set_contiguous(&v, 2, (const int64_t[]){OUT, IN});
    ok(tensor_borrow(lane, &v, BYTES, &w));
    w->is_constant = true;
    Site site = {.op = op_find(STR("aten::linear")), .arg_count = 3, .ret_count = 1};
    IValue args[] = {value_tensor_take(x), value_tensor_take(w), value_none()}, out;
    for (int call = 0; call < 2; call++) { // the second finds everything prepared
        lane->args = args;
        ok(site.op->fn(lane, &site, args, &out));
        memcpy(result, out.as.tensor->view.data, 3 * OUT * sizeof *result);
        value_release(out);
    }
    *resident = resident_around(weight);
    assert_true(pack_store_used(packs) >= BYTES);
    value_release(args[0]);
    value_release(args[1]);
    site_clear(&site);
    lane_free(lane);
    pack_store_free(packs);
}

static void test_pages_of_packed_weights(void **state)
{
    (void)state;
    static float kept[3 * OUT], forgotten[3 * OUT];
    char path[] = "/tmp/test_forget.XXXXXX";
    Archive *a = archive_of_weight(path);
    const ArchiveRecord *r;
    size_t with, without;
    ok(archive_read(a, STR("data/0"), &r));
    call_linear(a, (const float *)r->data, false, kept, &with);
    call_linear(a, (const float *)r->data, true, forgotten, &without);
    assert_true(with >= BYTES);
    assert_true(without + BYTES <= with + 2 * 65536); // the pages at both ends stay
    assert_memory_equal(kept, forgotten, sizeof kept);
    archive_close(a);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages_of_packed_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
