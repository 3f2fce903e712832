using CliWrap;
using CliWrap.Buffered;

namespace Incidents.Server.Storage;

/// <summary>
/// Under whom PostgreSQL's programs run. They refuse root; so when the server is root they run as the owner of the existing data,
/// else as <c>postgres</c>, else as <c>nobody</c>. When the server is not root they run as the server does.
/// </summary>
internal sealed class EmbeddedPostgresAccount
{
    private readonly string? _user;
    private readonly string? _group;
    private readonly string _setpriv;

    private EmbeddedPostgresAccount(string? user, string? group, string setpriv) => (_user, _group, _setpriv) = (user, group, setpriv);

    /// <param name="data">The cluster's folder, which may not exist yet.</param>
    /// <param name="cancellationToken">Stops the look-up.</param>
    public static async Task<EmbeddedPostgresAccount> ForAsync(string data, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess) return new(null, null, "");

        var setpriv = ((string[])["/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv"]).FirstOrDefault(File.Exists)
            ?? throw new EmbeddedPostgresException("PostgreSQL does not run as root, and the program setpriv that changes the account is missing. Type: apt-get install util-linux. Or start the server as another user.");
        if (Directory.Exists(data))
        {
            var owner = await Run("stat", ["-c", "%u %g", data], cancellationToken);
            if (owner.Split(' ') is [var uid, var gid] && uid != "0") return new(uid, gid, setpriv);
        }

        foreach (var name in (string[])["postgres", "nobody"])
        {
            if (await Run("id", ["-u", name], cancellationToken) is { Length: > 0 } uid) return new(uid, await Run("id", ["-g", name], cancellationToken), setpriv);
        }

        throw new EmbeddedPostgresException("PostgreSQL does not run as root, and this machine has neither an account postgres nor nobody. Start the server as another user.");
    }

    /// <summary>A command that runs <paramref name="program"/> under this account, in C locale and without the caller's PostgreSQL settings.</summary>
    public Command Command(string program, IReadOnlyList<string> arguments, string workingDirectory)
    {
        var command = _user is null
            ? Cli.Wrap(program).WithArguments(arguments)
            : Cli.Wrap(_setpriv).WithArguments([$"--reuid={_user}", $"--regid={_group}", "--clear-groups", "--", program, .. arguments]);
        return command
            .WithWorkingDirectory(workingDirectory)
            .WithValidation(CommandResultValidation.None)
            .WithEnvironmentVariables(e => e.Set("LC_ALL", "C").Set("PGDATA", null).Set("PGPORT", null).Set("PGHOST", null).Set("PGOPTIONS", null));
    }

    /// <summary>Makes the account the owner of a file or folder that the server made; nothing to do when both are the same.</summary>
    public async Task OwnAsync(string path, CancellationToken cancellationToken)
    {
        if (_user is null) return;
        await Cli.Wrap("chown").WithArguments(["-h", $"{_user}:{_group}", path]).ExecuteAsync(cancellationToken);
    }

    private static async Task<string> Run(string program, string[] arguments, CancellationToken cancellationToken)
    {
        var answer = await Cli.Wrap(program).WithArguments(arguments).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        return answer.IsSuccess ? answer.StandardOutput.Trim() : "";
    }
}
