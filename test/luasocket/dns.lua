-- dns.lua: socket.dns, as far as it needs no network.
local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'
local dns = socket.dns

local function entry(label, name, resolved)
  t.check(label, name)
  if type(resolved) ~= 'table' then return t.check(label .. ', failed', resolved) end
  t.check(label .. ', entry', resolved.name, #resolved.alias, table.concat(resolved.ip, ' '))
end

t.case('toip', function()
  entry('localhost', dns.toip('localhost'))
  entry('a numeric address', dns.toip('127.0.0.1'))
  entry('a short one', dns.toip('127.1'))
  entry('a name that nobody has', dns.toip('no..such.host'))
  entry('a name that nobody can have', dns.toip('no such host!'))
end)

t.case('tohostname', function()
  entry('of localhost', dns.tohostname('localhost'))
  entry('of a numeric address', dns.tohostname('127.0.0.1'))
  entry('of a name that nobody has', dns.tohostname('no..such.host'))
end)

t.case('getaddrinfo', function()
  local function show(label, found, problem)
    local shown = {}
    for i, row in ipairs(found or {}) do shown[i] = row.family .. ' ' .. row.addr end
    t.check(label, table.concat(shown, ', '), problem)
  end
  show('getaddrinfo of IPv4', dns.getaddrinfo('127.0.0.1'))
  show('getaddrinfo of a short one', dns.getaddrinfo('127.1'))
  show('getaddrinfo of IPv6', dns.getaddrinfo('::1'))
  show('getaddrinfo of localhost', dns.getaddrinfo('localhost'))
  show('getaddrinfo of nothing', dns.getaddrinfo(''))
  show('getaddrinfo of a name that nobody has', dns.getaddrinfo('no..such.host'))
  show('getaddrinfo of a name that nobody can have', dns.getaddrinfo('no such host!'))
end)

t.case('getnameinfo', function()
  local function show(label, names, service)
    t.check(label, type(names) == 'table' and table.concat(names, ' ') or names, service)
  end
  show('getnameinfo of an address', dns.getnameinfo('127.0.0.1'))
  show('getnameinfo of an address and a port', dns.getnameinfo('127.0.0.1', '80'))
  show('getnameinfo of a port', dns.getnameinfo(nil, '80'))
  show('getnameinfo of a port without a name', dns.getnameinfo(nil, '65000'))
  show('getnameinfo of a port in a number', dns.getnameinfo(nil, 25))
  show('getnameinfo of a name', dns.getnameinfo('localhost'))
  show('getnameinfo of a name that nobody has', dns.getnameinfo('no..such.host'))
  t.raises('getnameinfo of nothing', function() dns.getnameinfo() end)
end)

t.case('gethostname', function()
  local pipe = io.popen('uname -n')
  t.check('gethostname', dns.gethostname() == pipe:read('l'), select('#', dns.gethostname()))
end)

os.exit(0)
