# SPDX-License-Identifier: MIT
# The session of DESIGN.md through Redis.pm.
use strict;
use warnings;

use Redis;
use Time::HiRes qw(sleep time);

my $password  = $ENV{SESSION_PASSWORD};
my %port      = map { $_ => $ENV{"SESSION_${_}_PORT"} } qw(A B);
my %socket    = map { $_ => $ENV{"SESSION_${_}_SOCKET"} } qw(A B);
my $all_bytes = join '', map { chr } 0 .. 255;
my $patience  = 60;    # seconds; a safety net

sub over_tcp {
    my ($name, %options) = @_;
    return Redis->new(server => "127.0.0.1:$port{$name}", password => $password, %options);
}

sub over_unix {
    my ($name, %options) = @_;
    return Redis->new(sock => $socket{$name}, password => $password, %options);
}

sub show {
    my ($value) = @_;
    return 'nothing' unless defined $value;
    return '[' . join(' ', map { show($_) } @$value) . ']' if ref $value eq 'ARRAY';
    return substr($value, 0, 200);
}

# Compares numbers and texts as text, lists item by item.
sub expect {
    my ($got, $wanted, $what) = @_;
    my ($one, $other) = map { ref $_ ? join "\0", map { $_ // 'undef' } @$_ : $_ } $got, $wanted;
    return if !defined $one && !defined $other;
    return if defined $one && defined $other && $one eq $other;
    die +($what // ''), ' ', show($got), ' instead of ', show($wanted), "\n";
}

sub expect_error {
    my ($text, $code) = @_;
    my $got = eval { $code->(); 1 };
    die "no error: $text\n" if $got;
    die "$@, not $text\n" unless index($@, $text) >= 0;
}

sub within {
    my ($value, $least, $most) = @_;
    die "$value is not from $least to $most\n" unless $value >= $least && $value <= $most;
}

sub wait_until {
    my ($what, $condition) = @_;
    my $limit = time + $patience;
    until ($condition->()) {
        die "waited in vain: $what\n" if time > $limit;
        sleep 0.002;
    }
}

# Replies of a pipeline in their order; errors as [text].
sub pipeline {
    my ($redis, @commands) = @_;
    my @replies;
    for my $command (@commands) {
        my ($name, @arguments) = @$command;
        $redis->$name(@arguments, sub { push @replies, defined $_[1] ? [$_[1]] : $_[0] });
    }
    $redis->wait_all_responses;
    return @replies;
}

# An EXEC that did nothing gives an empty list.
sub exec_list {
    my ($redis) = @_;
    return [$redis->exec];
}

my %again = (reconnect => $patience, every => 2000);
my $at_a  = over_tcp('A', %again);
my $at_b  = over_unix('B', %again);

sub connect_tcp  { expect($at_a->ping, 'PONG') }
sub connect_unix { expect($at_b->ping, 'PONG') }
sub connect_url  { die "skip Redis.pm knows no URLs\n" }

sub password {
    my $stranger = Redis->new(server => "127.0.0.1:$port{A}");
    expect_error('NOAUTH',    sub { $stranger->get('password:key') });
    expect_error('WRONGPASS', sub { over_tcp('A', password => 'wrong') });
    expect(over_tcp('A', username => 'default')->ping, 'PONG');
    expect($stranger->auth($password),                 'OK');
    expect($stranger->get('password:key'),             undef);
}

sub resp3 { die "skip Redis.pm speaks RESP2 only\n" }

sub introduce {
    my $client = over_tcp('A', name => 'first');
    expect($client->client_getname, 'first');
    my %hello = $client->hello(2, 'AUTH', 'default', $password, 'SETNAME', 'greeter');
    expect([@hello{qw(proto role)}],                             [2, 'master']);
    expect($client->client_getname,                              'greeter');
    expect($client->client_setname('another'),                   'OK');
    expect($client->client_setinfo('LIB-NAME', 'Redis.pm'),      'OK');
    expect($client->client_setinfo('LIB-VER', $Redis::VERSION), 'OK');
    my %info = map { split /=/, $_, 2 } split ' ', $client->client_info;
    expect([@info{qw(name lib-name lib-ver)}], ['another', 'Redis.pm', $Redis::VERSION]);
    expect([$client->client_list =~ / name=(\S+)/g], ['another']);
}

sub seen_at_once {
    for my $i (1 .. 200) {
        expect($at_a->set('seen_at_once:key', "a$i"), 'OK');
        expect($at_b->get('seen_at_once:key'),        "a$i");
        expect($at_b->set('seen_at_once:key', "b$i"), 'OK');
        expect($at_a->get('seen_at_once:key'),        "b$i");
    }
}

sub counters {
    for my $i (0 .. 199) {
        expect($at_a->incr('counters:n'), 2 * $i + 1);
        expect($at_b->incr('counters:n'), 2 * $i + 2);
    }
    expect($at_a->decrby('counters:n', 100),      300);
    expect($at_b->incrbyfloat('counters:n', 0.5), 300.5);
    expect($at_a->get('counters:n'),              '300.5');
    expect($at_b->get('counters:n'),              '300.5');
}

sub pipelines {
    my @sets = map { ['set', "pipeline:$_", $_] } 0 .. 999;
    my @gets = map { ['get', "pipeline:$_"] } 0 .. 999;
    expect([pipeline($at_a, @sets, @gets)], [('OK') x 1000, 0 .. 999]);
    my @replies =
        pipeline($at_a, ['set', 'pipeline:text', 'x'], ['incr', 'pipeline:text'], ['set', 'pipeline:after', 'y']);
    expect([@replies[0, 2]], ['OK', 'OK']);
    die "the error is not one\n" unless ref $replies[1] && $replies[1][0] =~ /value is not an integer/;
    expect([$at_b->mget('pipeline:text', 'pipeline:after')], ['x', 'y']);
}

sub transaction {
    expect($at_a->multi,                          'OK');
    expect($at_a->set('transaction:text', 'one'), 'QUEUED');
    expect($at_a->incr('transaction:n'),          'QUEUED');
    expect($at_a->get('transaction:text'),        'QUEUED');
    expect(exec_list($at_a),                      ['OK', 1, 'one']);
    expect([$at_b->mget('transaction:text', 'transaction:n')], ['one', '1']);
    $at_a->multi;
    $at_a->set('transaction:text', 'two');
    expect($at_a->discard,                 'OK');
    expect($at_b->get('transaction:text'), 'one');
    # In a pipeline EXEC gives each reply with its error.
    my ($list, $error);
    $at_a->$_(sub { }) for 'multi';
    $at_a->incr($_, sub { }) for qw(transaction:n transaction:text transaction:n);
    $at_a->exec(sub { ($list, $error) = @_ });
    $at_a->wait_all_responses;
    expect([map { $_->[0] } @$list[0, 2]], [2, 3]);
    die "the error is not one\n" unless $list->[1][1] =~ /value is not an integer/;
    expect($at_b->get('transaction:n'), '3');
}

sub watch {
    $at_a->set('watch:key', 1);
    $at_a->watch('watch:key');
    my $value = $at_a->get('watch:key');
    $at_a->multi;
    $at_a->set('watch:key', $value + 1);
    expect(exec_list($at_a),        ['OK']);
    expect($at_b->get('watch:key'), '2');

    $at_a->watch('watch:key');
    $at_b->set('watch:key', 'by another');
    $at_a->multi;
    $at_a->set('watch:key', 'lost');
    expect(scalar $at_a->exec,      undef);
    expect($at_a->get('watch:key'), 'by another');

    $at_a->watch('watch:key');
    $at_b->set('watch:key', 'again');
    $at_a->unwatch;
    $at_a->multi;
    $at_a->set('watch:key', 'won');
    expect(exec_list($at_a),        ['OK']);
    expect($at_b->get('watch:key'), 'won');
}

sub binary {
    for my $byte (map { chr } 0 .. 255) {
        $at_a->set("binary:$byte", $byte . $all_bytes);
    }
    for my $byte (map { chr } 0 .. 255) {
        expect($at_b->get("binary:$byte"), $byte . $all_bytes, ord $byte);
    }
    $at_a->set('binary:empty', '');
    expect($at_b->get('binary:empty'), '');
    $at_a->set("binary:$all_bytes", $all_bytes);
    expect($at_b->get("binary:$all_bytes"), $all_bytes);
}

sub large {
    my $value = join '', map { sprintf "%09d\n", $_ } 0 .. 999_999;
    expect($at_a->set('large:key', $value), 'OK');
    die "the value is another\n" unless $at_b->get('large:key') eq $value;
    expect($at_b->append('large:key', '!'),      10_000_001);
    expect($at_a->strlen('large:key'),           10_000_001);
    expect($at_a->getrange('large:key', -3, -1), "9\n!");
}

sub expiry {
    $at_a->set('expiry:ex', 1, 'EX', 100);
    within($at_b->ttl('expiry:ex'), 1, 100);
    $at_b->set('expiry:px', 1, 'PX', 100_000);
    within($at_a->pttl('expiry:px'), 1, 100_000);
    expect($at_a->expireat('expiry:px', int(time) + 3600), 1);
    within($at_b->ttl('expiry:px'), 3500, 3600);
    expect($at_b->persist('expiry:px'),  1);
    expect($at_a->ttl('expiry:px'),      -1);
    expect($at_a->ttl('expiry:missing'), -2);
    $at_a->set('expiry:soon', 1, 'PX', 50);
    wait_until('a key expires', sub { !$at_a->exists('expiry:soon') });
    expect($at_b->get('expiry:soon'),         undef);
    expect($at_a->expireat('expiry:px', 1),   1);
    expect($at_b->exists('expiry:px'),        0);
}

sub scan {
    my @wanted = sort map { "scan:$_" } 0 .. 2999;
    pipeline($at_a, (map { ['set', $_, 1] } @wanted), map { ['set', "scanned:$_", 1] } 1 .. 500);
    # Redis.pm has no iterator: cursors, first at one, then at both in turn.
    for my $other ($at_a, $at_b) {
        my ($cursor, %found) = (0);
        my $calls = 0;
        do {
            my $redis = $calls++ % 2 ? $other : $at_a;
            my ($next, $keys) = $redis->scan($cursor, 'MATCH', 'scan:*', 'COUNT', 50);
            @found{@$keys} = ();
            $cursor = $next;
        } while ($cursor ne '0');
        expect([sort keys %found], \@wanted);
    }
}

sub strings {
    my $key = 'strings:key';
    expect($at_a->append($key, 'Hello'),      5);
    expect($at_b->append($key, ' World'),     11);
    expect($at_a->strlen($key),               11);
    expect($at_a->setrange($key, 6, 'Redis'), 11);
    expect($at_b->getrange($key, 0, -1),      'Hello Redis');
    expect($at_a->getset($key, 'new'),        'Hello Redis');
    expect($at_b->getex($key, 'EX', 50),      'new');
    within($at_a->ttl($key), 1, 50);
    expect($at_b->getdel($key),                                      'new');
    expect($at_a->get($key),                                         undef);
    expect($at_a->setnx($key, 1),                                    1);
    expect($at_b->setnx($key, 2),                                    0);
    expect($at_b->set($key, 2, 'NX'),                                undef);
    expect($at_b->set('strings:none', 2, 'XX'),                      undef);
    expect($at_b->set($key, 3, 'XX', 'GET'),                         1);
    expect($at_a->mset('strings:1', 1, 'strings:2', 2),              'OK');
    expect([$at_b->mget('strings:1', 'strings:none', 'strings:2')],  [1, undef, 2]);
    expect($at_b->msetnx('strings:3', 3, 'strings:1', 'other'),      0);
    expect($at_a->exists('strings:3'),                               0);
    expect($at_b->msetnx('strings:3', 3, 'strings:4', 4),            1);
    expect($at_a->copy('strings:1', 'strings:5'),                    1);
    expect($at_b->rename('strings:5', 'strings:6'),                  'OK');
    expect($at_a->exists('strings:1', 'strings:5', 'strings:6'),     2);
    expect($at_a->type('strings:6'),                                 'string');
    expect($at_b->del('strings:1', 'strings:2', 'strings:none'),     2);
}

sub bits {
    my $key = 'bits:key';
    expect($at_a->setbit($key, 7, 1), 0);
    expect($at_b->setbit($key, 7, 0), 1);
    $at_a->set($key, "\x00\xff\xf0");
    expect($at_b->getbit($key, 8),                                      1);
    expect([scalar $at_b->bitcount($key), scalar $at_b->bitcount($key, 1, 1)], [12, 8]);
    expect([scalar $at_b->bitpos($key, 1), scalar $at_b->bitpos($key, 0, 1)],  [8, 20]);
    $at_a->set('bits:mask', "\xff\x0f\x0f");
    expect($at_b->bitop('AND', 'bits:and', $key, 'bits:mask'), 3);
    expect($at_a->get('bits:and'),                             "\x00\x0f\x00");
    expect($at_b->bitop('NOT', 'bits:not', $key),              3);
    expect($at_a->get('bits:not'),                             "\xff\x00\x0f");
    my @fields = $at_a->bitfield('bits:field', split ' ', 'SET u8 #1 200 INCRBY u8 #1 10 GET u8 8');
    expect(\@fields,                                                         [0, 210, 210]);
    expect([$at_b->bitfield('bits:field', split ' ', 'OVERFLOW SAT INCRBY u8 #1 100')], [255]);
}

sub errors {
    my $client = over_tcp('A');
    $client->set('errors:text', 'x');
    for (
        ['WRONGPASS',                 'auth',   'wrong'],
        ['unknown command',           'nosuch', 1],
        ['value is not an integer',   'incr',   'errors:text'],
        ['wrong number of arguments', 'get'],
        ['EXEC without MULTI',        'exec'],
        ['syntax error',              'set',    'errors:text', 1, 'NOSUCH'],
    ) {
        my ($text, $command, @arguments) = @$_;
        expect_error($text, sub { $client->$command(@arguments) });
        expect($client->get('errors:text'), 'x');
    }
}

sub messages {
    my ($publisher, $counted) = @_;
    my $listener = over_tcp('A');
    my @got;
    my $by_name    = sub { push @got, ['name',    @_[0, 1]] };
    my $by_pattern = sub { push @got, ['pattern', @_[0, 1]] };
    $listener->subscribe('publish:news', $by_name);
    $listener->psubscribe('publish:n?ws', $by_pattern);
    my $reached = $publisher->publish('publish:news', $all_bytes);
    expect($reached, 2) if $counted;
    wait_until('messages', sub { $listener->wait_for_messages(0.01); @got >= 2 });
    @got = sort { $a->[0] cmp $b->[0] } @got;
    expect($got[0], ['name',    $all_bytes, 'publish:news']);
    expect($got[1], ['pattern', $all_bytes, 'publish:news']);
    $listener->unsubscribe('publish:news', $by_name);
    $listener->punsubscribe('publish:n?ws', $by_pattern);
    expect($listener->ping,                              'PONG');
    expect($publisher->publish('publish:news', 'nobody'), 0) if $counted;
}

sub publish        { messages(over_unix('A'), 1) }
sub publish_across { messages($at_b,             0) }

sub databases {
    my $third = over_tcp('A');
    $third->select(3);
    $at_a->set('databases:key', '0');
    expect($third->get('databases:key'), undef);
    $third->set('databases:key', '3');
    expect($third->dbsize,               1);
    expect($third->get('databases:key'), '3');
    expect($at_b->get('databases:key'),     '0');
    expect($third->del('databases:key'), 1);
    expect($at_b->get('databases:key'),     '0');
}

# What the code gives once the connection is there again.  Redis.pm connects again itself when it finds
# the end of its connection, but not when it was reset, or lost while the password was being checked:
# then the program makes a new one.
sub when_back {
    my ($client, $make, $code) = @_;
    my $reply;
    wait_until(
        'the server is back',
        sub {
            return 1 if eval { $reply = $code->(); 1 };
            my $fresh = eval { $make->() };
            $$client = $fresh if $fresh;
            return 0;
        }
    );
    return $reply;
}

sub reconnect {
    $at_a->incr('reconnect:n') for 1 .. 10;
    my $pid = $at_a->info('server')->{process_id};
    kill 'KILL', $pid or die "kill $pid: $!\n";
    my $wanted = 10;
    if ($port{A} != $port{B}) {
        expect($at_b->get('reconnect:n'),  10);
        expect($at_b->incr('reconnect:n'), 11);
        $wanted = 11;
    }
    my $got = when_back(\$at_a, sub { over_tcp('A', %again) }, sub { $at_a->get('reconnect:n') });
    expect($got,                       $wanted);
    expect($at_a->incr('reconnect:n'), $wanted + 1);
    $got = when_back(\$at_b, sub { over_unix('B', %again) }, sub { $at_b->get('reconnect:n') });
    expect($got, $wanted + 1);
}

sub flush {
    expect($at_a->flushall, 'OK');
    expect($at_b->dbsize,   0);
    expect($at_a->quit,     1);
    expect($at_b->quit,     1);
}

my @steps = (
    [connect_tcp    => \&connect_tcp],
    [connect_unix   => \&connect_unix],
    [connect_url    => \&connect_url],
    [password       => \&password],
    [resp3          => \&resp3],
    [introduce      => \&introduce],
    [seen_at_once   => \&seen_at_once],
    [counters       => \&counters],
    [pipeline       => \&pipelines],
    [transaction    => \&transaction],
    [watch          => \&watch],
    [binary         => \&binary],
    [large          => \&large],
    [expiry         => \&expiry],
    [scan           => \&scan],
    [strings        => \&strings],
    [bits           => \&bits],
    [errors         => \&errors],
    [publish        => \&publish],
    [publish_across => \&publish_across],
    [databases      => \&databases],
    [reconnect      => \&reconnect],
    [flush          => \&flush],
);
my %count = (passed => 0, failed => 0, skipped => 0);
$| = 1;
for my $step (@steps) {
    my ($name, $code) = @$step;
    my $done  = eval { $code->(); 1 };
    my $error = $@;
    if ($done) {
        $count{passed}++;
        print "ok $name\n";
    }
    elsif ($error =~ /^skip (.*)/) {
        $count{skipped}++;
        print "skip $name: $1\n";
    }
    else {
        $count{failed}++;
        chomp $error;
        print "FAILED $name: $error\n";
    }
}
print "$count{passed} passed, $count{failed} failed", $count{skipped} ? ", $count{skipped} skipped" : '', "\n";
exit($count{failed} ? 1 : 0);
