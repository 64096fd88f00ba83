/*
 * Where the loaders put things in the guest's first 640 KiB. Nothing else is there when the guest starts; its kernel
 * moves what it wants to keep. ACPI, MP and SMBIOS tables are the firmware's (0xF0000 and up).
 */

/** Descriptors of flat segments, see gdt.ts; they must outlive the kernel's first instructions only. */
export const GDT_ADDRESS = 0x2000;
/** The zero page (struct boot_params), one page. */
export const ZERO_PAGE_ADDRESS = 0x7000;
/** A stack that nobody promises and some code needs; grows down. */
export const STACK_TOP = 0x9000;
/** PML4, PDPT, then four page directories that map the first 4 GiB onto themselves: 24 KiB. */
export const PAGE_TABLES_ADDRESS = 0x9000;
/** The kernel's command line, 64 KiB at most. */
export const COMMAND_LINE_ADDRESS = 0x2_0000;
export const COMMAND_LINE_ROOM = 0x1_0000;

/** Below the 640 KiB of a PC the last KiB is the extended BIOS data area's. */
export const EBDA_ADDRESS = 0x9_fc00;
/** Where RAM goes on behind the adapters' and the BIOS' addresses. */
export const HIGH_MEMORY_1M = 0x10_0000;

/** Three pages below 4 GiB that KVM needs on Intel CPUs, and one for an identity map; QEMU's places. A ROM of 16 MiB lies above. */
export const KVM_IDENTITY_MAP_ADDRESS = 0xfeff_c000;
export const KVM_TSS_ADDRESS = 0xfeff_d000;
export const ROM_MAX_BYTES = 0x100_0000;
