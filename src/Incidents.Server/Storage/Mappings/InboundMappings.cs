using Incidents.Server.Notifications.Inbound;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class InboundMapping : IEntityTypeConfiguration<InboundRow>
{
    public void Configure(EntityTypeBuilder<InboundRow> builder)
    {
        builder.ToTable("inbound_actions").HasKey(r => r.Id);
        builder.Property(r => r.Id).UseIdentityAlwaysColumn();

        // Replays are refused by these two, on whatever replica they arrive.
        builder.HasIndex(r => new { r.Channel, r.Key }, "ux_inbound_actions_key").IsUnique();
        builder.HasIndex(r => r.Signature, "ux_inbound_actions_signature").IsUnique().HasFilter("signature is not null");
        builder.HasIndex(r => new { r.State, r.DueAt }, "ix_inbound_actions_due").HasFilter("state in ('waiting', 'replying')");
        builder.HasIndex(r => r.ReceivedAt);
    }
}

internal sealed class AccountLinkMapping : IEntityTypeConfiguration<AccountLinkRow>
{
    public void Configure(EntityTypeBuilder<AccountLinkRow> builder) => builder.ToTable("account_links").HasKey(r => new { r.Provider, r.ExternalId });
}

internal sealed class SpentTokenMapping : IEntityTypeConfiguration<SpentTokenRow>
{
    public void Configure(EntityTypeBuilder<SpentTokenRow> builder) => builder.ToTable("spent_tokens").HasKey(r => r.Key);
}

internal sealed class PagerDutyIncidentMapping : IEntityTypeConfiguration<PagerDutyIncidentRow>
{
    public void Configure(EntityTypeBuilder<PagerDutyIncidentRow> builder)
    {
        builder.ToTable("pagerduty_incidents").HasKey(r => new { r.Id, r.IncidentNumber });
        builder.HasIndex(r => r.IncidentNumber);
    }
}
