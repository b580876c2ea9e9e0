-- names_test.lua FOLDER: getaddrinfo and gethostbyname of a C library ask its fiber's resolver.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../dns/?.lua;' .. here .. '../lua/?.lua;' .. package.path
package.cpath = arg[1] .. '/?.so;' .. package.cpath
local responder = require 'responder'
local coir = require 'coir'
local dns = require 'coir.dns'
local errno = require 'errno'
local fiber = require 'fiber'
local library = require 'scenarios'
local message = require 'message'
local test = require 'test'

local noname, again, system = -2, -3, -11 -- EAI_*
local host_not_found, try_again = 1, 2    -- h_errno

local path = os.tmpname()
local file <close> = io.open(path, 'w')
file:write('options timeout:1 attempts:1\n')
file:flush()
dns.files { resolv_conf = path, hosts = '/dev/null' }

local function good(query, reply)
  reply(message.answer(query, { answers = {
    message.a(query.name, 60, '192.0.2.7'), message.a(query.name, 60, '192.0.2.8') } }))
end

local function case(sentence, handler, body)
  test.case(sentence, function()
    local server = responder.start(handler)
    local ok, problem = pcall(body, server)
    server:stop()
    if not ok then error(problem, 0) end
  end)
end

case('many fibers look names up side by side', good, function()
  local fibers = {}
  local before = coir.hooks().getaddrinfo.parked
  for i = 1, 20 do fibers[i] = fiber.spawn(library.lookup, ('host%d.test'):format(i)) end
  for i = 1, 20 do
    local ok, rows = fibers[i]:join(10)
    test.equal({ ok, rows }, { true, '192.0.2.7 80 1 6 0 \n192.0.2.8 80 1 6 0 \n' })
  end
  test.equal(coir.hooks().getaddrinfo.parked - before, 20)
end)

case('gethostbyname gives every address', good, function()
  test.equal({ library.host 'host.test' }, { '192.0.2.7', '192.0.2.8' })
end)

local function none(query, reply) reply(message.answer(query, { code = 'NXDOMAIN' })) end

case('a name that does not exist', none, function()
  test.equal(library.lookup 'nobody.test', noname)
  test.equal(library.host 'nobody.test', host_not_found)
end)

case('a server that does not answer', function() end, function()
  test.equal(library.lookup 'silent.test', again)
  test.equal(library.host 'quiet.test', try_again)
end)

case('cancellation ends a look-up', function() end, function()
  local result
  local one = fiber.spawn(function()
    local first = table.pack(library.lookup 'slow.test')
    result = { first, table.pack(library.lookup 'slow.test') }
  end)
  fiber.yield()
  one:cancel()
  one:join(10)
  test.equal(result, { { n = 2, system, errno.EINTR }, { n = 2, system, errno.ECANCELED } })
end)

os.remove(path)
test.finish()
