import { APIC_TIMER_GUESTS } from './fixtures/apic-timer';
import { CLOCK_GUESTS } from './fixtures/clocks';
import { describeGuests } from './fixtures/guest-suite';
import { PIT_GUESTS } from './fixtures/pit';
import { RTC_GUESTS } from './fixtures/rtc';

describeGuests({
  'the local APIC’s timer': APIC_TIMER_GUESTS,
  'the 8254 PIT': PIT_GUESTS,
  'the real-time clock': RTC_GUESTS,
  'time stamp counter and ACPI timer': CLOCK_GUESTS,
});
