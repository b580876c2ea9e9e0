-- module.lua: the module's own functions: exceptions, sources and sinks, names.
local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'

t.case('what there is', function()
  local names = {
    '_DATAGRAMSIZE', '_SOCKETINVALID', '_VERSION', 'BLOCKSIZE', '__unload', 'bind', 'choose',
      'connect', 'connect4',
    'connect6', 'dns', 'gettime', 'newtry', 'protect', 'select', 'sink', 'sinkt', 'skip', 'sleep',
      'source', 'sourcet',
    'tcp', 'tcp4', 'tcp6', 'try', 'udp', 'udp4', 'udp6',
  }
  for _, name in ipairs(names) do t.check(name, type(socket[name])) end
  t.check('the version', socket._VERSION)
  t.check('constants', socket._DATAGRAMSIZE, socket._SOCKETINVALID, socket.BLOCKSIZE)
  t.check('socket.core', require 'socket.core' == socket)
  t.check('__unload', socket.__unload())
  local library = {}
  for name in pairs(socket.dns) do library[#library + 1] = name end
  table.sort(library)
  t.check('dns', table.concat(library, ' '))
end)

t.case('exceptions', function()
  local try = socket.newtry(function() io.write('finalizer, ') end)
  t.check('try passes on', socket.try(1, nil, 'three'), (socket.try(true)))
  t.check('try passes nothing on', pcall(socket.try))
  local protected = socket.protect(function(...) return socket.try(...) end)
  t.check('protect passes on', protected(1, nil, 3))
  t.check('protect of a failure', protected(nil, 'what was wrong', 'more'))
  t.check('protect of false', protected(false, 'what was wrong'))
  t.check('protect of a failure without a message', protected(nil))
  t.check('protect of a table as message', protected(nil, {}))
  t.check('a finalizer is called', socket.protect(function() try(nil, 'after it') end)())
  t.check('and not called', socket.protect(function() return try('fine') end)())
  t.raises('protect lets other errors pass',
    socket.protect(function() error('another error', 0) end))
  t.check('and their values', pcall(socket.protect(function() error({}) end)))
  t.check('and their strings', pcall(socket.protect(function() error('text', 0) end)))
  t.check('nested', socket.protect(function()
    local ok, problem = socket.protect(function() socket.try(nil, 'inner') end)()
    socket.try(nil, 'outer after ' .. tostring(ok) .. ' ' .. problem)
  end)())
  local _, thrown = pcall(socket.try, nil, 'thrown')
  t.check('what is thrown', thrown, thrown[1], getmetatable(thrown))
  t.check('skip', socket.skip(1, 'a', 'b', 'c'))
  t.check('skip none', socket.skip(0, 'a', 'b'))
  t.check('skip all', socket.skip(2, 'a', 'b'))
  t.check('skip more', socket.skip(5, 'a', 'b'))
  t.check('protect across a coroutine', coroutine.wrap(socket.protect(function()
    socket.try(nil, coroutine.yield('yielded'))
  end))())
end)

t.case('sources', function()
  local a, b = t.pair()
  a:send('0123456789')
  local source = socket.source('by-length', b, 4)
  t.check('by-length', source(), source())
  source = socket.source('by-length', b, 6)
  t.check('the rest', source(), source())
  socket.BLOCKSIZE = 4
  a:send('abcdefghij')
  a:close()
  source = socket.source('until-closed', b)
  t.check('until-closed', source(), source(), source(), source())
  t.check('it closes', b:getfd())
  socket.BLOCKSIZE = 2048
  a, b = t.pair()
  b:settimeout(0.02)
  t.check('a timeout', socket.source('default', b)())
  t.check('by-length, a timeout', socket.source('by-length', b, 5)())
  a:close()
  t.check('by-length, the end', socket.source('by-length', b, 5)())
  t.check('without a name', type(socket.source(b)), type(socket.source('default', b)))
  t.check('getfd', socket.source(b):getfd() == b:getfd(), socket.source(b).dirty())
end)

t.case('sinks', function()
  local a, b = t.pair()
  local sink = socket.sink('keep-open', a)
  t.check('keep-open', sink('chunk'), b:receive(5))
  t.check('keep-open, the end', sink(nil), a:getfd() >= 0)
  sink = socket.sink('close-when-done', a)
  t.check('close-when-done', sink('chunk'), b:receive(5))
  t.check('getfd of a sink', sink.getfd() == a:getfd(), sink.dirty())
  t.check('close-when-done, the end', sink(nil), a:getfd())
  t.check('a closed one', sink('more'))
  t.check('its peer', b:receive())
  t.check('default', type(socket.sink(b)), type(socket.sink('default', b)))
end)

t.case('choose', function()
  local choose = socket.choose {
    one = function(...) return 'one', ... end,
    default = function(...) return 'default', ... end,
  }
  t.check('by name', choose('one', 1, 2))
  t.check('by default', choose({}, 1))
  t.check('by its name', choose('default', 1))
  t.raises('by no name', function() choose('two') end)
end)

t.case('pure Lua modules', function()
  local ltn12, mime, url = require 'ltn12', require 'mime', require 'socket.url'
  t.check('ltn12', #ltn12._VERSION > 0, type(ltn12.pump.all))
  t.check('mime', (mime.b64('coir')), (mime.unb64('Y29pcg==')), (mime.qp('ä=')))
  t.check('url', url.parse('http://user@host:80/path?q#f').host, url.escape('a b/c'))
  t.check('headers', type(require('socket.headers').canonic))
  for _, name in ipairs { 'socket.http', 'socket.smtp', 'socket.ftp', 'socket.tp' } do
    t.check(name, type(require(name)))
  end
  local a, b = t.pair()
  local received = {}
  t.check('pump', ltn12.pump.all(ltn12.source.string(('x'):rep(5000)),
    socket.sink('close-when-done', a)))
  t.check('pump from a socket', ltn12.pump.all(socket.source('until-closed', b),
    ltn12.sink.table(received)))
  t.check('what was pumped', #table.concat(received))
  local encoded = {}
  ltn12.pump.all(ltn12.source.chain(ltn12.source.string('coir'), mime.encode('base64')),
    ltn12.sink.table(encoded))
  t.check('a chain', table.concat(encoded))
end)

os.exit(0)
