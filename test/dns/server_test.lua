-- server_test.lua: name look-ups against a real server (nsd) with a zone of ours.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local nameserver = require 'nameserver'
local dns = require 'coir.dns'
local errno = require 'errno'
local peer = require 'peer'
local socket = require 'socket'
local test = require 'test'

local names = 3000

-- -- The zone -------------------------------------------------------------------------------------

local zone = { [[
www       IN A 192.0.2.1
www       IN AAAA 2001:db8::1
only4     IN A 192.0.2.4
only6     IN AAAA 2001:db8::6
alias     IN CNAME one
one       IN CNAME two
two       IN CNAME three
three     IN CNAME Four
four      IN CNAME www
dangling  IN CNAME nowhere
circle    IN CNAME elcric
elcric    IN CNAME circle
mail      IN MX 10 first.mail
mail      IN MX 20 second.mail
_http._tcp IN SRV 1 2 8080 www
text      IN TXT "one " "two" "\000\255"
text      IN TXT "v=spf1 -all"
caa       IN CAA 0 issue "ca.example"
caa       IN CAA 128 iodef "mailto:a@b.example"
1.2.0.192.in-addr.arpa IN PTR www
0/25      IN PTR with-a-slash
zero      0 IN A 192.0.2.9
host.sub  IN A 192.0.2.20
_under_score IN A 192.0.2.21
]] }

local function address(i) return ('10.%d.%d.%d'):format(i >> 16 & 255, i >> 8 & 255, i & 255) end

for i = 1, names do zone[#zone + 1] = ('n%d IN A %s\n'):format(i, address(i)) end
for i = 1, 40 do zone[#zone + 1] = ('forty IN A 192.0.2.%d\n'):format(100 + i) end
for i = 1, 200 do zone[#zone + 1] = ('many IN AAAA 2001:db8::%x\n'):format(i) end
for i = 1, 30 do zone[#zone + 1] = ('long IN TXT "%03d%s"\n'):format(i, ('x'):rep(200)) end

-- -- Cases ----------------------------------------------------------------------------------------

local stream = { type = 'SOCK_STREAM' }

--- The addresses of a name, sorted, or the failure.
local function hosts(name, hints)
  local rows, problem, code = socket.getaddrinfo(name, 80, 10, hints or stream)
  if not rows then return nil, problem, code end
  local list = {}
  for i, row in ipairs(rows) do list[i] = row.host end
  table.sort(list)
  return list, rows[1].canonname
end

local function flags(family, ...)
  return { type = 'SOCK_STREAM', family = family, flags = { ... } }
end

local function write(path, text)
  local file <close> = assert(io.open(path .. '.new', 'w'))
  file:write(text)
  file:close()
  assert(os.rename(path .. '.new', path))
end

local function tests(server)
  test.case('both families are found, and each by itself', function()
    test.equal(hosts('www.test'), { '192.0.2.1', '2001:db8::1' })
    test.equal(hosts('WWW.TEST.'), { '192.0.2.1', '2001:db8::1' })
    test.equal(hosts('www.test', flags('AF_INET')), { '192.0.2.1' })
    test.equal(hosts('www.test', flags('AF_INET6')), { '2001:db8::1' })
    test.equal(hosts('only6.test'), { '2001:db8::6' })
    test.equal(hosts('_under_score.test'), { '192.0.2.21' })
  end)

  test.case('a row is ready for socket() and sysconnect()', function()
    test.equal(socket.getaddrinfo('only4.test', 'http', 10), {
      { host = '192.0.2.4', port = 80, family = 'AF_INET', type = 'SOCK_STREAM', protocol = 'tcp' },
    })
    test.equal(socket.getaddrinfo('only4.test', 81, 10, { protocol = 'udp' }), {
      { host = '192.0.2.4', port = 81, family = 'AF_INET', type = 'SOCK_DGRAM', protocol = 'udp' },
    })
    test.equal(#socket.getaddrinfo('only4.test', 80, 10), 3)
  end)

  test.case('aliases are followed to the canonical name', function()
    local list, canonical = hosts('alias.test', flags('AF_INET', 'AI_CANONNAME'))
    test.equal({ list, canonical:lower() }, { { '192.0.2.1' }, 'www.test' })
    test.equal(select(2, hosts('www.test', flags('AF_INET', 'AI_CANONNAME'))), 'www.test')
    test.equal(select(2, hosts('alias.test')), nil)
    test.fails('EIO', hosts('circle.test'))
    test.fails('EIO', hosts('dangling.test'))
  end)

  test.case('IPv4 addresses are mapped on demand', function()
    test.fails('EIO', hosts('only4.test', flags('AF_INET6')))
    test.equal(hosts('only4.test', flags('AF_INET6', 'AI_V4MAPPED')), { '::ffff:192.0.2.4' })
    test.equal(hosts('www.test', flags('AF_INET6', 'AI_V4MAPPED')), { '2001:db8::1' })
    test.equal(hosts('www.test', flags('AF_INET6', 'AI_V4MAPPED', 'AI_ALL')),
      { '2001:db8::1', '::ffff:192.0.2.1' })
    test.equal(hosts('www.test', flags('AF_INET', 'AI_V4MAPPED', 'AI_ALL')), { '192.0.2.1' })
  end)

  test.case('what is not there, has no address or fails is told apart', function()
    test.match(test.fails('EIO', hosts('none.test')), 'cannot resolve none%.test:80: no such name')
    test.match(test.fails('EIO', hosts('only4.test', flags('AF_INET6'))), 'the name has no address')
    test.match(test.fails('EIO', hosts('x.broken.test')), 'x%.broken%.test:80: .*fail')
    test.match(test.fails('EIO', hosts('outside.example')), 'outside%.example:80: ')
    test.equal(socket.errno(), errno.EIO)
    test.fails('EIO', hosts('www.test', flags('AF_INET', 'AI_NUMERICHOST')))
  end)

  test.case('forty addresses come, and hundreds over TCP', function()
    test.equal(#hosts('forty.test', flags('AF_INET')), 40)
    local list = hosts('many.test', flags('AF_INET6'))
    test.equal(#list, 200)
    for i = 2, 200 do test.ok(list[i] ~= list[i - 1]) end
    test.equal(#dns.query('long.test', 'TXT', 10), 30)
  end)

  test.case('thousands of names are looked up by hundreds of fibers', function()
    local next_name, found = 0, 0
    peer.all(300, function()
      while next_name < names do
        next_name = next_name + 1
        local i = next_name
        test.equal(hosts(('n%d.test'):format(i), flags('AF_INET')), { address(i) })
        found = found + 1
      end
    end)
    test.equal(found, names)
  end)

  test.case('records of every type', function()
    local function records(name, type)
      local list = assert(dns.query(name, type, 10))
      for _, record in ipairs(list) do
        test.equal(record.type, type)
        test.equal(math.type(record.ttl), 'integer')
        record.type, record.ttl = nil, nil
      end
      return list
    end
    local function sorted(list, key)
      table.sort(list, function(a, b) return a[key] < b[key] end)
      return list
    end
    test.equal(records('www.test', 'A'), { { name = 'www.test', address = '192.0.2.1' } })
    test.equal(records('www.test', 'AAAA'), { { name = 'www.test', address = '2001:db8::1' } })
    test.equal(records('alias.test', 'CNAME'), { { name = 'alias.test', target = 'one.test' } })
    test.equal(records('alias.test', 'A'), { { name = 'www.test', address = '192.0.2.1' } })
    test.equal(records('test', 'NS'), { { name = 'test', target = 'ns.test' } })
    test.equal(sorted(records('mail.test', 'MX'), 'preference'), {
      { name = 'mail.test', preference = 10, exchange = 'first.mail.test' },
      { name = 'mail.test', preference = 20, exchange = 'second.mail.test' } })
    test.equal(records('_http._tcp.test', 'SRV'),
      { { name = '_http._tcp.test', priority = 1, weight = 2, port = 8080, target = 'www.test' } })
    test.equal(sorted(records('text.test', 'TXT'), 'text'), {
      { name = 'text.test', text = 'one two\0\255' },
      { name = 'text.test', text = 'v=spf1 -all' } })
    test.equal(records('test', 'SOA'), { { name = 'test', mname = 'ns.test', rname = 'admin.test',
      serial = 1, refresh = 3600, retry = 600, expire = 86400, minimum = 5 } })
    test.equal(sorted(records('caa.test', 'CAA'), 'tag'), {
      { name = 'caa.test', flags = 128, tag = 'iodef', value = 'mailto:a@b.example' },
      { name = 'caa.test', flags = 0, tag = 'issue', value = 'ca.example' } })
    test.equal(records('1.2.0.192.in-addr.arpa.test', 'PTR'),
      { { name = '1.2.0.192.in-addr.arpa.test', target = 'www.test' } })
    test.equal(records('0/25.test', 'PTR'),
      { { name = '0/25.test', target = 'with-a-slash.test' } })
    test.equal(dns.query('www.test', 'mx', 10), {})
    test.match(test.fails('EIO', dns.query('none.test', 'A', 10)), 'none.test: no such name')
    test.raises("unknown record type 'ANY'", dns.query, 'www.test', 'ANY')
  end)

  test.case('an answer tells how long it is good', function()
    test.equal(dns.query('www.test', 'A', 10)[1].ttl, 300)
    test.equal(dns.query('zero.test', 'A', 10)[1].ttl, 0)
  end)

  test.case('short names are searched for', function()
    write(server.folder .. '/resolv.conf', 'search nowhere.test sub.test test\n')
    test.equal(hosts('host', flags('AF_INET')), { '192.0.2.20' })
    test.equal(hosts('www', flags('AF_INET')), { '192.0.2.1' })
    test.equal(hosts('host.sub.test', flags('AF_INET')), { '192.0.2.20' })
    test.equal(select(2, hosts('www', flags('AF_INET', 'AI_CANONNAME'))), 'www.test')
    test.fails('EIO', hosts('www.', flags('AF_INET')))
    test.fails('EIO', dns.query('www', 'A', 10))
  end)

  test.case('the hosts file comes first, and is read again when it changes', function()
    local path = server.folder .. '/hosts'
    write(path, '# mine\n192.0.2.50  Canonical.test www.test\n2001:db8::50 www.test # second\n')
    dns.files { hosts = path }
    local list, canonical = hosts('WWW.test', flags('AF_UNSPEC', 'AI_CANONNAME'))
    test.equal({ list, canonical }, { { '192.0.2.50', '2001:db8::50' }, 'Canonical.test' })
    test.equal(hosts('only4.test'), { '192.0.2.4' })
    write(path, '192.0.2.51 only4.test\n192.0.2.51 only4.test\n300.1.1.1 only4.test\n192.0.2.52\n')
    test.equal(hosts('only4.test'), { '192.0.2.51' })
    test.equal(hosts('www.test'), { '192.0.2.1', '2001:db8::1' })
    os.remove(path)
    test.equal(hosts('only4.test'), { '192.0.2.4' })
  end)

  test.case('localhost is this machine without any file or server', function()
    dns.files { hosts = '/dev/null' }
    test.equal(hosts('localhost'), { '127.0.0.1', '::1' })
    test.equal(hosts('some.LocalHost.', flags('AF_INET')), { '127.0.0.1' })
    test.fails('EIO', hosts('notlocalhost'))
  end)

  test.case('services are read from their file', function()
    local path = server.folder .. '/services'
    write(path, 'mine 7777/tcp alias # note\nmine 7778/udp\nbad 99999/tcp\nworse\n')
    dns.files { services = path }
    local function ports(service, hints)
      local rows, problem, code = socket.getaddrinfo('127.0.0.1', service, 5, hints)
      if not rows then return nil, problem, code end
      local list = {}
      for i, row in ipairs(rows) do list[i] = row.protocol .. ' ' .. row.port end
      return list
    end
    test.equal(ports('mine'), { 'tcp 7777', 'udp 7778' })
    test.equal(ports('alias'), { 'tcp 7777' })
    test.equal(ports('mine', { type = 'SOCK_DGRAM' }), { 'udp 7778' })
    local problem = test.fails('EIO', ports('alias', { type = 'SOCK_DGRAM' }))
    test.match(problem, '127.0.0.1:alias: unknown service')
    test.fails('EIO', ports('bad'))
    test.fails('EIO', ports('http'))
    test.match(test.fails('EIO', ports('mine', { flags = 'AI_NUMERICSERV' })), 'not a number')
    write(path, 'mine 7779/tcp\n')
    test.equal(ports('mine'), { 'tcp 7779' })
  end)

  test.case('a server that went away is told from a name that is not there', function()
    test.equal(hosts('www.test'), { '192.0.2.1', '2001:db8::1' })
    server.process:stop()
    test.equal(hosts('www.test'), { '192.0.2.1', '2001:db8::1' })
    dns.flush()
    test.match(test.fails('EIO', hosts('www.test')), 'www.test:80: DNS servers cannot be reached')
  end)

  test.case('without servers of ours those of resolv.conf hold', function()
    write(server.folder .. '/resolv.conf',
      'nameserver 127.0.0.1\nnameserver ::1\nnameserver nonsense\n')
    test.equal(dns.servers(), { server.address })
    test.ok(dns.servers {})
    test.equal(dns.servers(), { '127.0.0.1:53', '[::1]:53' })
    test.ok(dns.servers { '127.0.0.1', '::1', '[::1]:5353', '127.0.0.1:5353' })
    test.equal(dns.servers(), { '127.0.0.1:53', '[::1]:53', '[::1]:5353', '127.0.0.1:5353' })
    for _, bad in ipairs { '', 'localhost', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:', '[::1',
      '[::1]:', '[127.0.0.1]:53', '[::1]x', ':53', '1.2.3.4:5:6', 'a\0b', 42 } do
      test.match(test.fails('EINVAL', dns.servers { bad }), 'not the address of a server: ')
    end
    test.ok(dns.servers { 'fe80::1%lo', '127.0.0.1:5353' })
    test.equal(dns.servers(), { '[fe80::1%lo]:53', '127.0.0.1:5353' })
    test.raises('table expected', dns.servers, '127.0.0.1')
    test.raises("'hosts' must be a string", dns.files, { hosts = 1 })
  end)
end

nameserver.with(table.concat(zone), tests)
test.finish()
