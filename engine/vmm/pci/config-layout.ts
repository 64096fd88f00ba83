// The type 0 header of configuration space: PCI Local Bus 3.0, chapter 6 and appendix H. Names are the specification's.
export const CONFIG_BYTES = 256;

export const VENDOR_ID = 0x00;
export const DEVICE_ID = 0x02;
export const COMMAND = 0x04;
export const STATUS = 0x06;
export const REVISION_ID = 0x08;
export const CLASS_CODE = 0x09;
export const CACHE_LINE_SIZE = 0x0c;
export const LATENCY_TIMER = 0x0d;
export const HEADER_TYPE = 0x0e;
export const BAR0 = 0x10;
export const SUBSYSTEM_VENDOR_ID = 0x2c;
export const SUBSYSTEM_ID = 0x2e;
export const CAPABILITIES_POINTER = 0x34;
export const INTERRUPT_LINE = 0x3c;
export const INTERRUPT_PIN = 0x3d;
/** Where the header ends and capabilities begin. */
export const HEADER_BYTES = 0x40;

export const BARS = 6;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;
export const COMMAND_PARITY = 0x0040;
export const COMMAND_SERR = 0x0100;
export const COMMAND_INTX_OFF = 0x0400;

export const STATUS_INTX = 0x08;
export const STATUS_CAPABILITIES = 0x10;

export const HEADER_MULTIFUNCTION = 0x80;
export const BAR_IO = 0x01;

/**
 * MSI with a 64-bit address: 0 u8 id, 1 u8 next, 2 u16 control (bit 0 on, bit 7 64-bit), 4 u32 address, 8 u32 upper
 * address, 12 u16 data.
 */
export const MSI_ID = 0x05;
export const MSI_BYTES = 16;
export const MSI_CONTROL_ON = 0x0001;
export const MSI_CONTROL_64_BIT = 0x0080;

/**
 * MSI-X: 0 u8 id, 1 u8 next, 2 u16 control (bits 0-10 vectors - 1, 14 all masked, 15 on), 4 u32 offset of the table and
 * BAR (bits 0-2), 8 the same of the pending bits.
 */
export const MSIX_ID = 0x11;
export const MSIX_BYTES = 12;
export const MSIX_CONTROL_MASKED = 0x4000;
export const MSIX_CONTROL_ON = 0x8000;
export const MSIX_MAX_VECTORS = 2048;
