using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Incidents.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Incidents.Server.Tests.Storage;

/// <summary>Against real PostgreSQL processes, really killed.</summary>
[Platform(Exclude = "Win")]
[UnsupportedOSPlatform("windows")]
public sealed class EmbeddedPostgresTests
{
    private readonly List<string> _directories = [];

    [TearDown]
    public async Task RemoveFilesAsync()
    {
        // A guard on its way out may still touch a lock file.
        foreach (var directory in _directories) await EventuallyAsync(() => Task.FromResult(IsGone(directory)));
        _directories.Clear();
    }

    [Test]
    public async Task What_was_written_is_there_after_a_stop_and_a_second_start()
    {
        var directory = NewDirectory();
        await using (var first = await StartAsync(directory)) await WriteAsync(first);

        await using var second = await StartAsync(directory);

        Assert.That(await CountAsync(second), Is.EqualTo(1));
    }

    [Test]
    public async Task A_stop_in_order_ends_postgres()
    {
        var postgres = await StartAsync(NewDirectory());
        Assert.That(postgres.IsRunning(), Is.True);

        await postgres.StopAsync(CancellationToken.None);

        Assert.That(postgres.IsRunning(), Is.False);
        Assert.That(postgres.PostmasterPid, Is.Null, "a stop in order takes its pid file along");
        Assert.That(await CanConnectAsync(postgres), Is.False);
    }

    [Test]
    public async Task The_last_of_two_servers_stops_postgres_and_the_first_does_not()
    {
        var directory = NewDirectory();
        await using var one = await StartAsync(directory);
        await using var other = await StartAsync(directory);
        var pid = one.PostmasterPid;
        Assert.That(other.PostmasterPid, Is.EqualTo(pid));

        await one.StopAsync(CancellationToken.None);
        Assert.That(other.IsRunning(), Is.True);
        Assert.That(await CanConnectAsync(other), Is.True);

        await other.StopAsync(CancellationToken.None);
        Assert.That(other.IsRunning(), Is.False);
    }

    [Test]
    public async Task A_postgres_that_outlived_its_killed_server_is_adopted()
    {
        var directory = NewDirectory();
        await using var starter = await StartAsync(directory);
        var pid = starter.PostmasterPid;
        await WriteAsync(starter);
        LetGoLikeAKilledProcess(starter);

        await using var next = await StartAsync(directory);

        Assert.That(next.PostmasterPid, Is.EqualTo(pid));
        Assert.That(await CountAsync(next), Is.EqualTo(1));
    }

    [Test]
    [Platform("Linux")]
    public async Task A_postgres_whose_servers_were_all_killed_is_stopped_after_the_grace()
    {
        await using var postgres = await StartAsync(NewDirectory(), grace: TimeSpan.FromSeconds(1));
        LetGoLikeAKilledProcess(postgres);

        await EventuallyAsync(() => Task.FromResult(!postgres.IsRunning()));

        Assert.That(File.Exists(postgres.Layout.PidFile), Is.False, "the guard shuts it down in order");
    }

    [Test]
    public async Task Everything_committed_survives_kill_9_of_postgres()
    {
        var directory = NewDirectory();
        await using var postgres = await StartAsync(directory);
        await WriteAsync(postgres);
        await KillAsync(postgres);
        Assert.That(File.Exists(postgres.Layout.PidFile), Is.True, "a killed PostgreSQL leaves its pid file");
        LetGoLikeAKilledProcess(postgres);

        await using var next = await StartAsync(directory);

        Assert.That(await CountAsync(next), Is.EqualTo(1));
    }

    [Test]
    public async Task A_postgres_that_dies_under_a_running_server_is_started_again()
    {
        var postgres = await StartAsync(NewDirectory());
        await using var pool = NpgsqlDataSource.Create(postgres.ConnectionString);
        await using var work = WorkPool.Of(postgres.ConnectionString, 1);
        await using var service = new EmbeddedPostgresService(postgres, pool, work, TimeProvider.System, NullLogger<EmbeddedPostgresService>.Instance);
        await service.StartingAsync(CancellationToken.None);
        await WriteAsync(postgres);
        var before = postgres.PostmasterPid;

        await KillAsync(postgres);
        await EventuallyAsync(() => CanConnectAsync(postgres));

        Assert.That(postgres.PostmasterPid, Is.Not.EqualTo(before));
        Assert.That(await CountAsync(postgres), Is.EqualTo(1));
        await service.StoppedAsync(CancellationToken.None);
        Assert.That(postgres.IsRunning(), Is.False);
    }

    [Test]
    public async Task A_pid_file_that_names_a_stranger_does_not_keep_postgres_down()
    {
        var directory = NewDirectory();
        await using var postgres = await StartAsync(directory);
        await KillAsync(postgres);
        LetGoLikeAKilledProcess(postgres);
        var lines = await File.ReadAllLinesAsync(postgres.Layout.PidFile);

        // A process of PostgreSQL's own account: the case PostgreSQL itself cannot tell.
        using var stranger = StartAsOwnerOf(postgres.Layout.Data, "sleep", "600");
        lines[0] = $"{stranger.Id}";
        await File.WriteAllLinesAsync(postgres.Layout.PidFile, lines);
        await File.WriteAllTextAsync(postgres.Layout.Socket + ".lock", string.Join('\n', lines));
        try
        {
            await using var next = await StartAsync(directory);

            Assert.That(await CanConnectAsync(next), Is.True);
            Assert.That(stranger.HasExited, Is.False, "the stranger is left alone");
        }
        finally
        {
            stranger.Kill();
            await stranger.WaitForExitAsync();
        }
    }

    [Test]
    public async Task Files_half_made_by_a_killed_start_are_made_anew()
    {
        var directory = NewDirectory();
        var layout = EmbeddedPostgresLayout.For(directory, Environment.IsPrivilegedProcess);
        Directory.CreateDirectory(layout.DataBeingMade);
        await File.WriteAllTextAsync(Path.Combine(layout.DataBeingMade, "PG_VERSION"), "15");
        if (Environment.IsPrivilegedProcess)
        {
            using var chown = Process.Start("chown", ["-R", "postgres", layout.Root]);
            await chown.WaitForExitAsync();
        }

        await using var postgres = await StartAsync(directory);

        Assert.That(await CanConnectAsync(postgres), Is.True);
        Assert.That(Directory.Exists(layout.DataBeingMade), Is.False);
    }

    [TestCase("with spaces, a comma; and 'quotes' $HOME")]
    [TestCase("päth-überall")]
    [TestCase("deep/0123456789012345678901234567890123456789/0123456789012345678901234567890123456789/0123456789012345678901234567890123456789")]
    public async Task It_runs_under_any_path(string folder)
    {
        await using var postgres = await StartAsync(Path.Combine(NewDirectory(), folder));
        _directories.Add(postgres.Layout.SocketDirectory);

        Assert.That(await CanConnectAsync(postgres), Is.True);
    }

    [Test]
    public async Task Nobody_else_can_reach_the_socket_and_there_is_no_network_port()
    {
        await using var postgres = await StartAsync(NewDirectory());

        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Assert.That(File.GetUnixFileMode(postgres.Layout.Root), Is.EqualTo(Owner));
        Assert.That(File.GetUnixFileMode(postgres.Layout.SocketDirectory), Is.EqualTo(Owner));
        Assert.That(await ScalarAsync(postgres, "show listen_addresses"), Is.Empty);
    }

    [Test]
    public async Task Commits_are_durable_as_shipped()
    {
        await using var postgres = await StartAsync(NewDirectory(), fast: false);

        foreach (var setting in (string[])["fsync", "synchronous_commit", "full_page_writes", "data_checksums"])
            Assert.That(await ScalarAsync(postgres, $"show {setting}"), Is.EqualTo("on"), setting);
        Assert.That(await ScalarAsync(postgres, "show max_connections"), Is.EqualTo("100"));
        Assert.That(await ScalarAsync(postgres, "show server_encoding"), Is.EqualTo("UTF8"));
    }

    [Test]
    public void Without_postgres_the_error_says_what_to_type()
    {
        var postgres = NewPostgres(NewDirectory(), bin: "/nowhere");

        var error = Assert.ThrowsAsync<EmbeddedPostgresException>(() => postgres.StartAsync(CancellationToken.None));

        Assert.That(error!.Message, Does.Contain("/nowhere").And.Contain("sudo apt-get install postgresql").And.Contain("ConnectionStrings__Incidents"));
    }

    [Test]
    public async Task A_setting_postgres_refuses_is_named_in_the_error()
    {
        var postgres = new EmbeddedPostgres(
            new() { DataDirectory = NewDirectory(), Settings = new Dictionary<string, string> { ["fsync"] = "off", ["shared_buffers"] = "'much'" } },
            TimeProvider.System,
            NullLogger<EmbeddedPostgres>.Instance);

        var error = Assert.ThrowsAsync<EmbeddedPostgresException>(() => postgres.StartAsync(CancellationToken.None));

        Assert.That(error!.Message, Does.Contain("shared_buffers"));
        await postgres.DisposeAsync();
    }

    private string NewDirectory()
    {
        var directory = Directory.CreateTempSubdirectory("incidents-pg-").FullName;
        File.SetUnixFileMode(directory, File.GetUnixFileMode(directory) | UnixFileMode.OtherExecute);
        _directories.Add(directory);
        return directory;
    }

    private static EmbeddedPostgres NewPostgres(string directory, TimeSpan? grace = null, bool fast = true, string? bin = null) => new(
        new()
        {
            DataDirectory = directory,
            OrphanGrace = grace ?? TimeSpan.FromSeconds(20),
            BinDirectory = bin,
            Settings = fast ? new Dictionary<string, string> { ["fsync"] = "off", ["shared_buffers"] = "32MB" } : [],
        },
        TimeProvider.System,
        NullLogger<EmbeddedPostgres>.Instance);

    private static async Task<EmbeddedPostgres> StartAsync(string directory, TimeSpan? grace = null, bool fast = true)
    {
        var postgres = NewPostgres(directory, grace, fast);
        await postgres.StartAsync(CancellationToken.None);
        return postgres;
    }

    /// <summary>A killed server's locks are dropped by the kernel; nothing else of it is left.</summary>
    private static void LetGoLikeAKilledProcess(EmbeddedPostgres postgres) => postgres.Abandon();

    private static async Task KillAsync(EmbeddedPostgres postgres)
    {
        using var process = Process.GetProcessById(postgres.PostmasterPid!.Value);
        process.Kill();
        await EventuallyAsync(() => Task.FromResult(!postgres.IsRunning()));
    }

    private static bool IsGone(string directory)
    {
        try
        {
            if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static Process StartAsOwnerOf(string path, string program, string argument)
    {
        if (!Environment.IsPrivilegedProcess) return Process.Start(program, [argument]);
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%u", path]) { RedirectStandardOutput = true })!;
        var uid = stat.StandardOutput.ReadToEnd().Trim();
        return Process.Start("setpriv", [$"--reuid={uid}", "--clear-groups", "--", program, argument]);
    }

    private static async Task WriteAsync(EmbeddedPostgres postgres) => await ScalarAsync(postgres, "create table kept as select 1 as id; select 1::text");

    private static async Task<long> CountAsync(EmbeddedPostgres postgres) => long.Parse(await ScalarAsync(postgres, "select count(*)::text from kept"), System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<string> ScalarAsync(EmbeddedPostgres postgres, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<bool> CanConnectAsync(EmbeddedPostgres postgres)
    {
        try
        {
            return await ScalarAsync(postgres, "select 'yes'") == "yes";
        }
        catch (Exception e) when (e is NpgsqlException or SocketException)
        {
            return false;
        }
    }

    /// <summary>Bounded polling, because these are real processes that we can only watch.</summary>
    private static async Task EventuallyAsync(Func<Task<bool>> holds)
    {
        var began = Stopwatch.GetTimestamp();
        while (!await holds())
        {
            Assert.That(Stopwatch.GetElapsedTime(began), Is.LessThan(TimeSpan.FromSeconds(60)), "it did not happen");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }
}
