-- vendetta_postgres_test.lua: the database layer with a PostgreSQL server of our own.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
require 'vendetta'
local peer = require 'peer'
local database = require 'database'
local dbserver = require 'coir.compat.vendetta.dbserver'
local fiber = require 'fiber'
local test = require 'test'

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read('a'):gsub('%s+$', ''))
end

local programs = output('ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1')
peer.need(programs .. '/initdb')

local folder = peer.folder()
local as_user = '' -- PostgreSQL refuses to run as root
if output('id -u') == '0' then
  os.execute('chown postgres ' .. folder)
  as_user = 'runuser -u postgres -- '
end

--- Runs one of PostgreSQL's programs in the folder to its end.
local function run(program, arguments)
  return os.execute(('cd %s && %s%s/%s %s >>%s/log 2>&1 </dev/null'):format(folder, as_user, programs, program,
    arguments, folder))
end

local function start()
  assert(run('pg_ctl', ([[-D %s/data -w -t 60 -o "-k %s -h ''" start]]):format(folder, folder)))
end

local function stop(mode) return run('pg_ctl', ('-D %s/data -w -m %s stop'):format(folder, mode)) end

local function open()
  return dbserver.connect('postgres', ('host=%s user=tester dbname=postgres'):format(folder))
end

peer.finally(function()
  stop('immediate')
  peer.remove_folder(folder)
end, function()
  assert(run('initdb', ('-D %s/data -U tester -A trust --no-sync'):format(folder)))
  start()

  database.cases('PostgreSQL', open, 'select pg_sleep(0.3)')

  if require('coir').hooks then
    local env = require('luasql.postgres').postgres()
    database.cases('PostgreSQL, the driver itself', function()
      return env:connect(('host=%s user=tester dbname=postgres'):format(folder))
    end, 'select pg_sleep(0.3)')
  else
    test.skip('PostgreSQL, the driver itself', 'without hooks its queries keep all fibers')
  end

  test.case('PostgreSQL: fifty clients with connections of their own, slow queries side by side', function()
    database.serve(open, function(connect)
      local group, sum = fiber.wait_group(), 0
      for i = 1, 50 do
        local db = connect()
        group:add()
        fiber.new(function()
          local rows = db:execute(('select %d as i, pg_sleep(0.1)'):format(i))
          sum = sum + tonumber(rows[1].i)
          group:done()
        end)
      end
      test.ok(group:wait(19))
      test.equal(sum, 1275)
    end)
  end)

  test.case('PostgreSQL: one client waits for the lock of another, and nobody else does', function()
    database.serve(open, function(connect)
      local one, other, third = connect(), connect(), connect()
      one:execute 'create table t (id integer primary key, n integer)'
      one:execute 'insert into t values (1, 0)'
      one:setautocommit(false)
      one:execute 'update t set n = n + 1 where id = 1'
      local waiter = fiber.spawn(other.execute, other, 'update t set n = n + 10 where id = 1')
      test.equal(tonumber(third:execute('select n from t')[1].n), 0)
      test.equal(waiter:status(), 'suspended')
      one:commit()
      one:setautocommit(true)
      test.equal({ waiter:join(10) }, { true, 1 })
      test.equal(tonumber(third:execute('select n from t')[1].n), 11)
      one:execute 'drop table t'
    end)
  end)

  test.case('PostgreSQL: the server goes away: calls raise, and all that was acknowledged is there', function()
    local first = assert(open())
    assert(first:execute 'create table acknowledged (client integer, n integer)')
    first:close()
    local acknowledged, group = 0, fiber.wait_group()
    database.serve(open, function(connect)
      for i = 1, 10 do
        group:add()
        local db = connect()
        fiber.new(function()
          for n = 1, math.huge do
            if not pcall(db.execute, db, ('insert into acknowledged values (%d, %d)'):format(i, n)) then break end
            acknowledged = acknowledged + 1
          end
          group:done()
        end)
      end
      test.eventually(function() return acknowledged >= 100 end)
      assert(stop('immediate'))
      test.ok(group:wait(10))
    end)
    start()
    local again = assert(open())
    local rows = tonumber((assert(again:execute 'select count(*) from acknowledged'):fetch()))
    test.ok(rows >= acknowledged, ('%d rows, %d acknowledged'):format(rows, acknowledged))
    again:close()
  end)

  test.case('PostgreSQL: a database that is not there', function()
    local con, message = dbserver.connect('postgres', 'host=/nonexistent user=tester')
    test.equal(con, nil)
    test.ok(#message > 0)
  end)
end)

test.finish()
