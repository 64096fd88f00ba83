#!/usr/bin/perl
# Times exchanges of one byte. In Perl, because every Debian has it and its blocking calls go straight to the kernel: no
# event loop or scheduler of a language stands between the clock and the wire.
#   round-trips.pl serve                     says its port, the same for TCP and UDP on 127.0.0.1, and echoes until killed
#   round-trips.pl tcp|udp|connect HOST PORT COUNT   prints the microseconds of each exchange, sorted, one per line
# connect times a new connection with its first exchange. A lost datagram fails the run after a second.
use strict;
use warnings;
use Socket qw(:all);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $SECOND = pack 'l!l!', 1, 0;

sub check { my ($ok, $what) = @_; $ok or die "cannot $what: $!\n"; return $ok }

sub tcp_socket {
  check(socket(my $socket, PF_INET, SOCK_STREAM, IPPROTO_TCP), 'create a socket');
  check(setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1), 'set TCP_NODELAY');
  check(setsockopt($socket, SOL_SOCKET, SO_RCVTIMEO, $SECOND), 'set SO_RCVTIMEO');
  return $socket;
}

sub udp_socket {
  check(socket(my $socket, PF_INET, SOCK_DGRAM, IPPROTO_UDP), 'create a socket');
  check(setsockopt($socket, SOL_SOCKET, SO_RCVTIMEO, $SECOND), 'set SO_RCVTIMEO');
  return $socket;
}

sub serve {
  my $listener = tcp_socket();
  check(bind($listener, sockaddr_in(0, INADDR_LOOPBACK)), 'bind');
  check(listen($listener, 128), 'listen');
  my ($port) = sockaddr_in(getsockname $listener);
  my $datagrams = udp_socket();
  check(bind($datagrams, sockaddr_in($port, INADDR_LOOPBACK)), "bind UDP port $port");
  $| = 1;
  print "$port\n";
  my %streams;
  my $watched = '';
  vec($watched, fileno $listener, 1) = 1;
  vec($watched, fileno $datagrams, 1) = 1;
  while () {
    next if select(my $ready = $watched, undef, undef, undef) <= 0;
    if (vec $ready, fileno $datagrams, 1) {
      my $from = recv $datagrams, my $byte, 65_535, 0;
      send $datagrams, $byte, 0, $from if defined $from;
    }
    for my $number (grep { vec $ready, $_, 1 } keys %streams) {
      my $stream = $streams{$number};
      if (sysread $stream, my $byte, 1) { syswrite $stream, $byte }
      else {
        delete $streams{$number};
        vec($watched, $number, 1) = 0;
        close $stream;
      }
    }
    if (vec $ready, fileno $listener, 1) {
      accept(my $stream, $listener) or next;
      setsockopt $stream, IPPROTO_TCP, TCP_NODELAY, 1;
      $streams{fileno $stream} = $stream;
      vec($watched, fileno $stream, 1) = 1;
    }
  }
}

sub exchange {
  my ($socket) = @_;
  check(syswrite($socket, 'x'), 'send');
  check(sysread($socket, my $byte, 1), 'receive within a second');
}

sub time_exchanges {
  my ($kind, $host, $port, $count) = @_;
  my $server = sockaddr_in($port, inet_aton($host));
  my $socket = $kind eq 'udp' ? udp_socket() : tcp_socket();
  check(connect($socket, $server), 'connect') if $kind ne 'connect';
  my @times;
  # A tenth before that goes untimed: routes, caches, just-in-time compilers.
  for my $turn (-int($count / 10) .. $count - 1) {
    my $begun = clock_gettime(CLOCK_MONOTONIC);
    if ($kind eq 'connect') {
      $socket = tcp_socket();
      check(connect($socket, $server), 'connect');
    }
    exchange($socket);
    push @times, (clock_gettime(CLOCK_MONOTONIC) - $begun) * 1e6 if $turn >= 0;
    close $socket if $kind eq 'connect';
  }
  printf "%.1f\n", $_ for sort { $a <=> $b } @times;
}

my ($kind, @rest) = @ARGV;
if (($kind // '') eq 'serve') { serve() }
elsif (($kind // '') =~ /^(?:tcp|udp|connect)$/ && @rest == 3) { time_exchanges($kind, @rest) }
else { die "usage: round-trips.pl serve | tcp|udp|connect HOST PORT COUNT\n" }
