#include "watcher/resident.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/macros.h"

/* Such a library's code was written to when it was loaded. */
static bool
has_text_relocations(const struct dl_phdr_info *info)
{
	const ElfW(Dyn) *d;
	size_t i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): as it is given */
		d = (const void *)(info->dlpi_addr +
		    info->dlpi_phdr[i].p_vaddr);
		for (; d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS &&
			    (d->d_un.d_val & DF_TEXTREL) != 0))
				return true;
	}
	return false;
}

/* Segments that nobody may write are what stands in the file; RELRO is part
 * of one that is written. */
static int
give_back_object(struct dl_phdr_info *info, UNUSED size_t size,
    UNUSED void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin, end;
	const ElfW(Phdr) *p;
	size_t i;

	if (has_text_relocations(info))
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W) != 0)
			continue;
		begin = info->dlpi_addr + p->p_vaddr;
		end = (begin + p->p_memsz) & ~(page - 1);
		begin = (begin + page - 1) & ~(page - 1);
		if (begin >= end)
			continue;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): as it is given */
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void
resident_trim(void)
{
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(give_back_object, NULL);
}
