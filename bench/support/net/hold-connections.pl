#!/usr/bin/perl
# hold-connections.pl HOST PORT,PORT,… COUNT
# Opens connections one after the other, in turn to the ports, with a byte there and back on each, and holds them all.
# Says "SUCCEEDED SECONDS", waits for a line, exchanges a byte on each again, says how many of them still answered, waits
# for another line and resets them all. Opening ends after 90 s or 20 failures in a row, the second exchange after 90 s,
# with what there is.
use strict;
use warnings;
use Socket qw(:all);
use Time::HiRes qw(time);

my ($host, $ports, $count) = @ARGV;
my @servers = map { pack_sockaddr_in($_, inet_aton($host)) } split /,/, $ports;
my $DEADLINE = pack 'l!l!', 5, 0;
my $RESET_ON_CLOSE = pack 'ii', 1, 0;
$| = 1;

sub answers {
  my ($socket) = @_;
  return syswrite($socket, 'x') && sysread $socket, my $byte, 1;
}

my @held;
my $failures = 0;
my $begun = time;
for my $turn (0 .. $count - 1) {
  last if time - $begun > 90;
  socket(my $socket, PF_INET, SOCK_STREAM, IPPROTO_TCP) or die "cannot create a socket: $!\n";
  setsockopt $socket, SOL_SOCKET, $_, $DEADLINE for SO_RCVTIMEO, SO_SNDTIMEO;
  setsockopt $socket, SOL_SOCKET, SO_LINGER, $RESET_ON_CLOSE;
  if (connect($socket, $servers[$turn % @servers]) && answers($socket)) {
    push @held, $socket;
    $failures = 0;
  }
  elsif (++$failures == 20) {
    warn "the last attempt after $turn: $!\n";
    last;
  }
}
printf "%d %.2f\n", scalar @held, time - $begun;
<STDIN>;
my $end = time + 90;
printf "%d\n", scalar grep { time < $end && answers($_) } @held;
<STDIN>;
