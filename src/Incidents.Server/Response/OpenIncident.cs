using Incidents.Domain.Response;
using Mediator;
using System.Diagnostics;
using FluentValidation;
using Incidents.Domain.Alerts;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Response;

/// <summary>A person opens an incident that no alert reported. Labels route it as they would route an alert.</summary>
internal sealed record OpenIncident(string Title, string Severity, IReadOnlyDictionary<string, string>? Labels = null, string? Note = null) : ICommand<Incident>;

internal sealed class OpenIncidentValidator : AbstractValidator<OpenIncident>
{
    public OpenIncidentValidator()
    {
        RuleFor(c => c.Title).NotEmpty().MaximumLength(200);
        RuleFor(c => c.Severity).Must(s => Domain.Routing.Severity.All.Contains(s, StringComparer.Ordinal)).WithMessage("One of critical, warning, info.");
        RuleFor(c => c.Note).MaximumLength(10_000);
        RuleFor(c => c.Labels).Must(l => l is null || l.Count <= 64).WithMessage("At most 64 labels.")
            .Must(l => l is null || l.Values.All(v => v is not null)).WithMessage("The value of a label is a text.");
    }
}

internal sealed class OpenIncidentHandler(IncidentsDbContext db, IncidentWork work, IActiveConfiguration configuration, IAuditLog audit, TimeProvider clock) : ICommandHandler<OpenIncident, Incident>
{
    public async ValueTask<Incident> Handle(OpenIncident command, CancellationToken cancellationToken)
    {
        await using var transaction = await work.BeginOrJoinAsync(cancellationToken);
        var now = clock.GetCurrentInstant();
        var number = (await OpenIncidents.TakeNumbersAsync((NpgsqlConnection)db.Database.GetDbConnection(), 1, cancellationToken))[0];
        var title = AlertText.OneLine(command.Title, 200);
        var labels = Labels.From((command.Labels ?? new Dictionary<string, string>()).Append(new("severity", command.Severity)).Append(new("alertname", title)));

        // A person means it: no mute applies, and each incident opened by hand is a group of its own.
        var decision = configuration.Current.Routing.MatchAs(command.Severity, labels) with { GroupKey = $"manual/{number}" };
        var incident = Incident.OpenByHand(number, OpenIncidents.GroupIdOf(decision.GroupKey), title, decision, work.By, now, Activity.Current?.Id);
        if (!string.IsNullOrWhiteSpace(command.Note)) incident.AddNote(work.By, command.Note, now);
        db.Add(incident);
        audit.Add("incident.open", $"INC-{number}");
        await work.SaveAsync([new IncidentChange(incident, Occasion.Opened, Activity.Current?.Id)], transaction, now, cancellationToken);
        return incident;
    }
}
