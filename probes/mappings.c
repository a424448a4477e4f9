/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Code that enters a followed process: executable mappings of files, and the vDSO.
 *
 * Sees: mmap(2) of a file with PROT_EXEC, as it returns (x86-64 and i386); and what an exec mapped: the program, its
 * loader, the vDSO, found in the new address space's tree of mappings (a maple tree, Linux 6.1).
 * A C library in which nothing is attached yet stops its process (SIGSTOP) before it runs one instruction of it: the
 * collector attaches and lets it go on. Else its first dlopen would be missed: attaching takes milliseconds.
 * Caveats: memory that becomes executable by mprotect(2) later, and code without a file (what a JIT compiler writes),
 * are not told. Before Linux 6.1 what an exec maps is not told either.
 * Overhead: only calls of mmap with PROT_EXEC of followed processes, a few microseconds each.
 */
#define PROT_EXECUTE 4
#define MAP_ANONYMOUS 0x20
#define MAPS(nr) ((nr) == 9 || (nr) == 192 /* mmap2 of i386 */)
#define VM_EXECUTE 4

/* libc.so.6, libc-2.31.so, libc.musl-x86_64.so.1, libdl.so.2, ld-musl-x86_64.so.1 and the like */
static inline int is_libc(char *dentry) {
    char *name = 0;
    u64 start = 0;
    READ(name, dentry + OFFSET_dentry_d_name + OFFSET_qstr_name);
    READ(start, name);
    start &= 0xffffffffffULL; /* five letters */
    return start == 0x2e6362696cULL /* libc. */ || start == 0x2d6362696cULL /* libc- */ ||
           start == 0x6c6462696cULL /* libdl */ || start == 0x756d2d646cULL /* ld-mu */;
}

/* Stops the process where nothing is attached in this C library; whether it did. */
static inline int stop_unless_seen(struct tracked *who, u64 inode, u64 device) {
    struct file_id file = {.inode = inode, .device = device};
    u32 pending = PENDING, zero = 0;
    u32 *state = libraries_seen.lookup(&file);
    if (state && *state == READY) return 0;
    if (!state) libraries_seen.update(&file, &pending);
    struct config *settings = config.lookup(&zero);
    struct unseen_record record = {};
    record.ts_ns = bpf_ktime_get_ns();
    record.inode = inode;
    record.device = device;
    record.pid = who->pid;
    record.stopped = settings && settings->stops && bpf_send_signal(19 /* SIGSTOP */) == 0;
    if (unseen.ringbuf_output(&record, sizeof(record), BPF_RB_FORCE_WAKEUP) == 0) return record.stopped;
    if (record.stopped) bpf_send_signal(18 /* SIGCONT: nobody else would */);
    count(COUNTER_LOST_DL_CALL);
    return 0;
}

/* Tells of one mapping; scratch->address, ->bytes and ->left are base, size and offset. */
static inline void emit_library(struct text_scratch *scratch, struct tracked *who, char *file) {
    struct library_head *head = (struct library_head *)scratch->record.text;
    char *task = (char *)bpf_get_current_task(), *fs = 0, *root = 0, *inode = 0, *super = 0, *parent = 0, *name = 0;
    u32 device = 0, stopped = 0;
    FILL(&scratch->record, who, KIND_LIBRARY);
    head->base = scratch->address;
    head->size = scratch->bytes;
    head->offset = scratch->left;
    READ(inode, file + OFFSET_file_f_inode);
    READ(head->inode, inode + OFFSET_inode_i_ino);
    READ(super, inode + OFFSET_inode_i_sb);
    READ(device, super + OFFSET_super_block_s_dev);
    head->device = device;
    READ(fs, task + OFFSET_task_struct_fs);
    READ(root, fs + OFFSET_fs_struct_root + OFFSET_path_dentry);
    READ(scratch->mount, file + OFFSET_file_f_path + OFFSET_path_mnt);
    READ(scratch->dentry, file + OFFSET_file_f_path + OFFSET_path_dentry);
    if (is_libc(scratch->dentry)) stopped = stop_unless_seen(who, head->inode, device);
    READ(parent, scratch->dentry + OFFSET_dentry_d_parent);
    scratch->used = sizeof(*head);
    if (parent == scratch->dentry) { /* in no folder: memfd_create(2) */
        READ(name, parent + OFFSET_dentry_d_name + OFFSET_qstr_name);
        s32 length = bpf_probe_read_kernel_str(scratch->record.text + sizeof(*head), 256, name);
        if (length > 0) scratch->used += length;
        scratch->record.flags = 0;
    } else {
        read_names(scratch, root);
    }
    if (stopped) scratch->record.flags |= FLAG_STOPPED;
    u32 used = scratch->used;
    scratch->record.bytes = used;
    asm volatile("" : "+r"(used));
    used &= TEXT_CHUNK - 1;
    if (live.ringbuf_output(scratch, TEXT_HEADER + used, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_LIBRARY);
}

static inline void emit_vdso(struct text_scratch *scratch, struct tracked *who, char *mapping) {
    struct library_head *head = (struct library_head *)scratch->record.text;
    char *special = 0, *name = 0;
    READ(special, mapping + OFFSET_vm_area_struct_vm_private_data);
    READ(name, special + OFFSET_vm_special_mapping_name);
    s32 length = bpf_probe_read_kernel_str(scratch->record.text + sizeof(*head), 64, name);
    if (length <= 1) return; /* no special mapping: a stack that is executable */
    u32 used = sizeof(*head) + length;
    FILL(&scratch->record, who, KIND_LIBRARY);
    head->base = scratch->address;
    head->size = scratch->bytes;
    head->offset = head->inode = head->device = 0;
    scratch->record.flags = 0;
    scratch->record.bytes = used;
    asm volatile("" : "+r"(used));
    used &= TEXT_CHUNK - 1;
    if (live.ringbuf_output(scratch, TEXT_HEADER + used, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_LIBRARY);
}

/* Tells of the next mapping that waits in scratch_mappings. */
int on_library(struct bpf_raw_tracepoint_args *ctx) {
    u32 zero = 0;
    struct tracked *who = followed();
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    struct mappings_scratch *waiting = scratch_mappings.lookup(&zero);
    if (!who || !scratch || !waiting || waiting->next >= waiting->found) return 0;
    char *mapping = (char *)waiting->mappings[waiting->next & (EXEC_MAPPINGS - 1)], *file = 0;
    u64 end = 0, page = 0;
    waiting->next++;
    READ(scratch->address, mapping + OFFSET_vm_area_struct_vm_start);
    READ(end, mapping + OFFSET_vm_area_struct_vm_end);
    READ(page, mapping + OFFSET_vm_area_struct_vm_pgoff);
    READ(file, mapping + OFFSET_vm_area_struct_vm_file);
    scratch->bytes = end - scratch->address;
    scratch->left = page << 12;
    if (file) emit_library(scratch, who, file);
    else emit_vdso(scratch, who, mapping);
    if (waiting->next < waiting->found) tail_programs.call((void *)ctx, TAIL_LIBRARY);
    return 0;
}

/* Tells of what mmap(2) mapped. */
int on_mapped(typed_context *ctx) {
    u32 zero = 0;
    struct tracked *who = followed();
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    struct mmap_scratch *made = scratch_mmap.lookup(&zero);
    if (!who || !scratch || !made) return 0;
    scratch->address = made->base;
    scratch->bytes = made->size;
    scratch->left = made->offset;
    emit_library(scratch, who, (char *)made->file);
    return 0;
}

static inline void on_mmap(typed_context *ctx, struct tracked *who, struct pt_regs *regs, u64 base) {
    u32 compat = is_compat(), zero = 0, fd = regs->r8;
    u64 size = regs->si, protection = regs->dx, kind = regs->r10, offset = regs->r9;
    if (regs->orig_ax != (compat ? 192 : 9)) return;
    if (compat) {
        size = (u32)regs->cx; kind = regs->si; fd = regs->di; offset = (u64)(u32)regs->bp << 12;
    }
    if (!(protection & PROT_EXECUTE) || (kind & MAP_ANONYMOUS)) return;
    struct mmap_scratch *made = scratch_mmap.lookup(&zero);
    if (!made) return;
    char *file = file_behind(fd);
    if (file) {
        made->base = base;
        made->size = (size + 4095) & ~4095ULL;
        made->offset = offset;
        made->file = (u64)file;
        typed_tails.call(ctx, TAIL_MAPPED); /* does not come back */
    }
    count(COUNTER_LOST_LIBRARY); /* another thread has closed it meanwhile */
}

#ifdef HAS_MAPLE_TREE
/*
 * Collects the executable mappings of a new address space. lib/maple_tree.c: the low byte of a pointer to a node holds
 * its type; a node that is not full tells in its last slot how many are used.
 */
static inline void enter_leaf(struct mappings_scratch *walk, u64 node) {
    u64 pivot = 0;
    u8 end = 15;
    walk->leaf = 0;
    if (((node >> 3) & 15) != 1 /* maple_leaf_64 */) return;
    walk->leaf = node & ~255ULL;
    walk->leaf_at = 0;
    READ(pivot, walk->leaf + OFFSET_maple_range_64_slot - 8);
    if (!pivot) READ(end, walk->leaf + OFFSET_maple_range_64_slot + 15 * 8);
    walk->leaf_end = end & 15;
}

static inline void collect_mappings(struct mappings_scratch *walk, char *mm) {
    u64 root = 0;
    u8 end = 0;
    walk->found = walk->branch = walk->leaf = 0;
    READ(root, mm + OFFSET_mm_struct_mm_mt + OFFSET_maple_tree_ma_root);
    if ((root & 3) != 2) return;
    if (((root >> 3) & 15) == 3 /* maple_arange_64 */) {
        walk->branch = root & ~255ULL;
        walk->branch_at = 0;
        READ(end, walk->branch + OFFSET_maple_arange_64_meta);
        walk->branch_end = end;
    } else {
        enter_leaf(walk, root);
    }
    for (int i = 0; i < 180; i++) {
        u64 mapping = 0, flags = 0, owner = 0;
        if (!walk->leaf || walk->leaf_at > walk->leaf_end) {
            u64 child = 0;
            if (!walk->branch || walk->branch_at > walk->branch_end) return;
            READ(child, walk->branch + OFFSET_maple_arange_64_slot + 8 * (walk->branch_at & 15));
            walk->branch_at++;
            enter_leaf(walk, child);
            continue;
        }
        READ(mapping, walk->leaf + OFFSET_maple_range_64_slot + 8 * (walk->leaf_at & 15));
        walk->leaf_at++;
        if (mapping < 4096) continue; /* a gap */
        READ(owner, mapping + OFFSET_vm_area_struct_vm_mm);
        READ(flags, mapping + OFFSET_vm_area_struct_vm_flags);
        if (owner != (u64)mm || !(flags & VM_EXECUTE)) continue;
        walk->mappings[walk->found & (EXEC_MAPPINGS - 1)] = mapping;
        walk->found++;
    }
}

int on_exec_mappings(struct bpf_raw_tracepoint_args *ctx) {
    struct tracked *who = followed();
    if (!who) return 0;
    u32 zero = 0;
    struct mappings_scratch *walk = scratch_mappings.lookup(&zero);
    if (!walk) return 0;
    char *mm = 0;
    READ(mm, (char *)ctx->args[0] + OFFSET_task_struct_mm);
    collect_mappings(walk, mm);
    if (walk->found > EXEC_MAPPINGS) count(COUNTER_LOST_LIBRARY);
    if (walk->found > EXEC_MAPPINGS) walk->found = EXEC_MAPPINGS;
    walk->next = 0;
    if (walk->found) tail_programs.call((void *)ctx, TAIL_LIBRARY);
    return 0;
}
#endif
