// A plugin of QEMU 7.2: how often each block of the guest's instructions ran between two marks.
//
// The guest marks with a system call that does not exist, 0x7065: 1 sets every count to zero, 0 writes a line
// "address instructions runs" for each block that ran. One guest thread does the work, so nothing is locked.
// QEMU's header is not in Debian's package; these declarations are what is used of it.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))
#define ADD 0

struct tb;
size_t qemu_plugin_tb_n_insns(const struct tb *);
uint64_t qemu_plugin_tb_vaddr(const struct tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct tb *));
void qemu_plugin_register_vcpu_syscall_cb(uint64_t, void (*)(uint64_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

PUBLIC int qemu_plugin_version = 1;

struct block {
  uint64_t runs, address, instructions;
  struct block *next;
};

static struct block *blocks;
static const char *path;

static void translated(uint64_t id, struct tb *tb) {
  struct block *block = calloc(1, sizeof *block);
  if (!block) abort();
  block->address = qemu_plugin_tb_vaddr(tb);
  block->instructions = qemu_plugin_tb_n_insns(tb);
  block->next = blocks;
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &block->runs, 1);
}

static void called(uint64_t id, unsigned cpu, int64_t number, uint64_t start, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  if (number != 0x7065) return;
  if (start) {
    for (struct block *block = blocks; block; block = block->next) block->runs = 0;
    return;
  }
  FILE *file = fopen(path, "w");
  if (!file) abort();
  for (struct block *block = blocks; block; block = block->next)
    if (block->runs) fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->address, block->instructions, block->runs);
  if (fclose(file)) abort();
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments) {
  const char *value = count == 1 ? strchr(arguments[0], '=') : NULL;
  if (!value || !(path = strdup(value + 1))) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
