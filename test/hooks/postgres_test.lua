-- postgres_test.lua: lua-sql-postgres, whose libpq blocks, with a PostgreSQL server.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local others = require 'others'
local fiber = require 'fiber'
local test = require 'test'
local peer = others.peer

local programs = others.shell('ls -d /usr/lib/postgresql/*/bin | tail -n 1'):gsub('%s+$', '')
peer.need(programs .. '/initdb')
local luasql = require 'luasql.postgres'

local folder, port = peer.folder(), peer.free_port()
local user = others.as_user('postgres')
if user ~= '' then others.shell('chown postgres ' .. folder) end
others.shell(('cd %s && %s%s/initdb -D %s/data -U tester -A trust --no-sync'):format(folder, user,
  programs, folder))
local server = peer.start(
  ('%s%s/postgres -D %s/data -k %s -h 127.0.0.1 -p %d -F'):format(user, programs, folder, folder,
    port),
  folder .. '/log')
local env = luasql.postgres()

local function connect(host)
  return env:connect(('host=%s port=%d user=tester dbname=postgres'):format(host, port))
end

local function connections(host)
  local list = {}
  for i = 1, 20 do list[i] = assert(connect(host)) end
  return list
end

local function query(connection, text)
  local cursor = assert(connection:execute(text))
  return cursor:fetch()
end

peer.finally(function()
  others.shell(('%s%s/pg_ctl -D %s/data -m immediate stop || true'):format(user, programs, folder))
  peer.remove_folder(folder)
end, function()
  test.eventually(function() return connect('127.0.0.1') ~= nil end)

  for place, host in pairs { ['a unix socket'] = folder, ['loopback'] = '127.0.0.1' } do
    local list = connections(host)
    others.case('PostgreSQL over ' .. place .. ': 20 queries of 0.25 s at once', 0.6, function()
      peer.all(20, function(i) query(list[i], 'select pg_sleep(0.25)') end)
    end)
    for _, connection in ipairs(list) do connection:close() end
  end

  others.case('PostgreSQL: connecting, side by side', 2, function()
    peer.all(8, function() assert(connect('127.0.0.1')):close() end)
  end)

  test.case('PostgreSQL: megabytes in both directions', function()
    peer.all(4, function(i)
      local connection = assert(connect('127.0.0.1'))
      local text = tostring(i):rep(3000000)
      test.equal(query(connection, ("select length('%s')"):format(text)), '3000000')
      test.ok(query(connection, ("select repeat('%d', 3000000)"):format(i)) == text)
      connection:close()
    end)
  end)

  test.case('PostgreSQL: one fiber waits for a lock until another gives it back', function()
    local one, other = assert(connect(folder)), assert(connect(folder))
    local order = {}
    query(one, 'select pg_advisory_lock(7)')
    local waiter = fiber.spawn(function()
      query(other, 'select pg_advisory_lock(7)')
      order[#order + 1] = 'got it'
    end)
    fiber.yield()
    order[#order + 1] = 'gave it back'
    query(one, 'select pg_advisory_unlock(7)')
    assert(waiter:join(10))
    test.equal(order, { 'gave it back', 'got it' })
  end)

  test.case('PostgreSQL: cancellation ends a query', function()
    local connection = assert(connect(folder))
    local problem
    local one = fiber.spawn(function()
      local _
      _, problem = connection:execute('select pg_sleep(1000)')
      fiber.sleep(0)
    end)
    test.eventually(function() return one:info().waiting ~= nil end)
    one:cancel()
    local ok, raised = one:join(10)
    test.ok(not ok and fiber.is_cancelled(raised))
    test.ok(problem)
    print('what libpq says of a cancelled query: ' .. problem:gsub('%s+$', ''))
  end)
end)
server:wait()
test.finish()
