import { describeGuests } from './fixtures/guest-suite';
import { IO_APIC_GUESTS } from './fixtures/io-apic';
import { LOCAL_APIC_GUESTS } from './fixtures/local-apic';
import { PIC_GUESTS } from './fixtures/pic';

describeGuests({
  'the local APIC': LOCAL_APIC_GUESTS,
  'the I/O APIC': IO_APIC_GUESTS,
  'the 8259 PICs': PIC_GUESTS,
});
